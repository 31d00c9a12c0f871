//! Files changed by other programs while the daemon serves and clients write: afterwards the catalog is what is on disk.

mod directories;
mod disk;
mod editors;
mod floods;
mod git;
mod rsync;
mod world;
