//! Backups: which there are. Jobs make, check and use them.

use crate::http::wire::Backups;
use crate::storage::BackupSummary;

use super::call::Call;
use super::{Client, ClientError};

impl Client {
    /// Lists the backups that are complete.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn backups(&self) -> Result<Vec<BackupSummary>, ClientError> {
        let answer = self.call(Call::get(&["v1", "backups"])).await?;
        Ok(answer.json::<Backups>()?.items)
    }
}
