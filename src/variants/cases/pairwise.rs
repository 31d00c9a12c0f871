//! Pairwise combination: every pair of values of every two dimensions occurs in some row, in few rows.
//!
//! Rows are indexes of values. One generator extends the rows dimension by dimension and adds rows for what is left (IPO,
//! Lei and Tai 1998); it is run several times with other choices, and the fewest rows win. Two constructions are tried
//! before it: the lines of an affine plane, where a prime is at hand that is not much larger than the dimensions, and
//! for dimensions of two values the sets of Kleitman and Spencer (1973), than which no fewer rows are possible. No row
//! count can be below the product of the two largest dimensions.

use super::random::Random;

/// The most pairs of values of all dimensions together.
pub(super) const MAX_PAIRS: u64 = 4_000_000;
/// How many times the rows are made with other choices, for small problems.
const TRIES: u64 = 48;
/// What all tries together may cost, in pairs looked at.
const EFFORT: u64 = 40_000_000;

/// A place of a row that may have any value.
const ANY: usize = usize::MAX;

/// Returns the number of pairs of values of every two dimensions.
pub(super) fn pairs(sizes: &[usize]) -> u64 {
    let sum: u64 = sizes.iter().map(|size| *size as u64).sum();
    let squares: u64 = sizes
        .iter()
        .map(|size| (*size as u64).saturating_mul(*size as u64))
        .sum();
    sum.saturating_mul(sum).saturating_sub(squares) / 2
}

/// Returns rows that cover every pair. The same sizes and the same seed give the same rows.
///
/// A single dimension gives one row for each of its values; none gives none. Sizes are at least 1.
pub(super) fn rows(sizes: &[usize], seed: u64) -> Vec<Vec<usize>> {
    match sizes {
        [] => return Vec::new(),
        [only] => return (0..*only).map(|value| vec![value]).collect(),
        _ => {}
    }
    let bound = bound(sizes);
    let mut best = sets(sizes).or_else(|| plane(sizes, bound.saturating_mul(2)));
    let cost = pairs(sizes).saturating_mul(bound.max(1) as u64).max(1);
    let tries = (EFFORT / cost).clamp(1, TRIES);
    for attempt in 0..tries {
        if best
            .as_ref()
            .is_some_and(|rows| rows.len() == bound || is_binary(sizes))
        {
            break;
        }
        let rows = Builder::new(sizes, seed.wrapping_add(attempt), attempt == 0).build();
        if best.as_ref().is_none_or(|best| rows.len() < best.len()) {
            best = Some(rows);
        }
    }
    let mut rows = best.unwrap_or_default();
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// Returns the product of the two largest sizes.
pub(super) fn bound(sizes: &[usize]) -> usize {
    let mut sorted = sizes.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    sorted
        .iter()
        .take(2)
        .fold(1, |product, size| product.saturating_mul(*size))
}

/// Returns the lines of the affine plane of the smallest prime that has enough directions, if they are few enough: row (i, j)
/// has j + c i in column c, and i in the last one. Any two columns meet in every pair of values exactly once.
fn plane(sizes: &[usize], most: usize) -> Option<Vec<Vec<usize>>> {
    let largest = *sizes.iter().max()?;
    let prime = (largest.max(sizes.len().saturating_sub(1)).max(2)..).find(|n| is_prime(*n))?;
    if prime.checked_mul(prime)? > most {
        return None;
    }
    let points = (0..prime).flat_map(|i| (0..prime).map(move |j| (i, j)));
    let rows = points.map(|(i, j)| {
        let columns = (0..prime).map(|c| (j + c * i) % prime).chain([i]);
        // A value that the dimension has not may be any other.
        let cut = |(value, size): (usize, &usize)| if value < *size { value } else { i % *size };
        columns.zip(sizes).map(cut).collect()
    });
    Some(rows.collect())
}

fn is_binary(sizes: &[usize]) -> bool {
    sizes.iter().all(|size| *size <= 2)
}

/// Returns rows for dimensions of at most two values: the column of a dimension is a set of rows. All sets have the first row
/// and half of the rows, so any two overlap, neither holds the other, and together they leave a row out.
fn sets(sizes: &[usize]) -> Option<Vec<Vec<usize>>> {
    if !is_binary(sizes) {
        return None;
    }
    let (rows, half) = (4..40_u32)
        .map(|rows| (rows, rows / 2))
        .find(|(rows, half)| choose(u64::from(rows - 1), u64::from(half - 1)) >= sizes.len() as u64)?;
    let mut columns = Vec::with_capacity(sizes.len());
    // The rows after the first one, as bits; then always the next higher number with as many bits.
    let mut others = (1_u64 << (half - 1)) - 1;
    for size in sizes {
        columns.push(if *size == 2 { others << 1 | 1 } else { 0 });
        let lowest = others & others.wrapping_neg();
        let ripple = others + lowest;
        others = ((ripple ^ others) >> 2).checked_div(lowest).unwrap_or(0) | ripple;
    }
    let row = |row: u32| {
        columns
            .iter()
            .map(|column| usize::from(column >> row & 1 == 1))
            .collect()
    };
    Some((0..rows).map(row).collect())
}

/// Returns the number of sets of `few` out of `many`.
fn choose(many: u64, few: u64) -> u64 {
    (0..few).fold(1_u64, |sets, at| sets.saturating_mul(many - at) / (at + 1))
}

fn is_prime(number: usize) -> bool {
    number >= 2
        && (2..)
            .take_while(|d| d * d <= number)
            .all(|d| !number.is_multiple_of(d))
}

/// Which pairs of two dimensions are covered: one table for each two.
struct Covered {
    sizes: Vec<usize>,
    tables: Vec<Vec<bool>>,
}

impl Covered {
    fn new(sizes: &[usize]) -> Self {
        let two = |at: usize| sizes.iter().skip(at + 1).map(move |other| (at, *other));
        let tables = sizes
            .iter()
            .enumerate()
            .flat_map(|(at, size)| two(at).map(move |(_, other)| vec![false; size * other]));
        Self {
            tables: tables.collect(),
            sizes: sizes.to_vec(),
        }
    }

    /// Returns the place of a pair; `a` is the earlier dimension.
    fn place(&self, (a, x): (usize, usize), (b, y): (usize, usize)) -> (usize, usize) {
        let table = a * (2 * self.sizes.len() - a - 1) / 2 + b - a - 1;
        (table, x * self.sizes.get(b).copied().unwrap_or(1) + y)
    }

    fn has(&self, one: (usize, usize), other: (usize, usize)) -> bool {
        let (table, at) = self.place(one, other);
        self.tables
            .get(table)
            .and_then(|table| table.get(at))
            .copied()
            .unwrap_or(true)
    }

    fn set(&mut self, one: (usize, usize), other: (usize, usize)) {
        let (table, at) = self.place(one, other);
        if let Some(there) = self.tables.get_mut(table).and_then(|table| table.get_mut(at)) {
            *there = true;
        }
    }
}

/// One run of the generator.
struct Builder {
    /// The dimension that each column stands for, the largest first.
    order: Vec<usize>,
    /// The sizes of the columns.
    sizes: Vec<usize>,
    covered: Covered,
    rows: Vec<Vec<usize>>,
    random: Random,
}

impl Builder {
    /// Begins; the first run takes equal dimensions in their order, the others in any.
    fn new(sizes: &[usize], seed: u64, is_first: bool) -> Self {
        let mut random = Random::new(seed);
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        if !is_first {
            random.shuffle(&mut order);
        }
        let size = |dimension: &usize| sizes.get(*dimension).copied().unwrap_or(1);
        order.sort_by_key(|dimension| std::cmp::Reverse(size(dimension)));
        let columns: Vec<usize> = order.iter().map(size).collect();
        Self {
            covered: Covered::new(&columns),
            order,
            sizes: columns,
            rows: Vec::new(),
            random,
        }
    }

    fn build(mut self) -> Vec<Vec<usize>> {
        if let [first, second, ..] = *self.sizes.as_slice() {
            let pairs = (0..first).flat_map(|x| (0..second).map(move |y| vec![x, y]));
            self.rows = pairs.collect();
        }
        for column in 2..self.sizes.len() {
            self.extend(column);
            self.add(column);
        }
        self.finish()
    }

    /// Gives every row the value of the new column that covers most.
    fn extend(&mut self, column: usize) {
        let size = self.sizes.get(column).copied().unwrap_or(1);
        let mut uses = vec![0_usize; size];
        for at in 0..self.rows.len() {
            let Some(row) = self.rows.get(at) else { continue };
            let turn = usize::try_from(self.random.below(size as u64)).unwrap_or(0);
            let gain = |value: usize| {
                let news = row
                    .iter()
                    .enumerate()
                    .filter(|(earlier, x)| **x != ANY && !self.covered.has((*earlier, **x), (column, value)));
                news.count()
            };
            let values = (0..size).map(|step| (turn + step) % size);
            let rank = |value: &usize| {
                (
                    gain(*value),
                    std::cmp::Reverse(uses.get(*value).copied().unwrap_or(0)),
                )
            };
            let best = values.max_by_key(rank).unwrap_or(0);
            let gains = gain(best) > 0;
            let value = if gains { best } else { ANY };
            if let (true, Some(used)) = (gains, uses.get_mut(best)) {
                *used += 1;
            }
            self.set(at, column, value);
        }
    }

    /// Adds rows for the pairs of the new column that no row has, after the places that may have any value.
    fn add(&mut self, column: usize) {
        let size = self.sizes.get(column).copied().unwrap_or(1);
        let mut open: Vec<usize> = (0..self.rows.len()).filter(|at| self.has_any(*at)).collect();
        for earlier in 0..column {
            for x in 0..self.sizes.get(earlier).copied().unwrap_or(1) {
                for y in 0..size {
                    if self.covered.has((earlier, x), (column, y)) {
                        continue;
                    }
                    let fits = |at: &&usize| {
                        let there = |column: usize| self.value(**at, column);
                        let [a, b] = [there(earlier), there(column)];
                        (a == x || a == ANY) && (b == y || b == ANY)
                    };
                    let at = open.iter().find(fits).copied().unwrap_or_else(|| {
                        self.rows.push(vec![ANY; column + 1]);
                        open.push(self.rows.len() - 1);
                        self.rows.len() - 1
                    });
                    self.set(at, earlier, x);
                    self.set(at, column, y);
                }
            }
        }
    }

    /// Fills what may have any value with what is used least, and puts the columns back into the order of the dimensions.
    fn finish(self) -> Vec<Vec<usize>> {
        let mut uses: Vec<Vec<usize>> = self.sizes.iter().map(|size| vec![0; *size]).collect();
        for row in &self.rows {
            for (counts, value) in uses.iter_mut().zip(row) {
                counts.get_mut(*value).into_iter().for_each(|count| *count += 1);
            }
        }
        let mut done = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            let mut placed = vec![0; row.len()];
            for ((value, counts), dimension) in row.into_iter().zip(&mut uses).zip(&self.order) {
                let value = if value == ANY {
                    let least = counts.iter().enumerate().min_by_key(|(_, count)| **count);
                    let value = least.map_or(0, |(value, _)| value);
                    counts.get_mut(value).into_iter().for_each(|count| *count += 1);
                    value
                } else {
                    value
                };
                placed
                    .get_mut(*dimension)
                    .into_iter()
                    .for_each(|place| *place = value);
            }
            done.push(placed);
        }
        done
    }

    fn has_any(&self, at: usize) -> bool {
        self.rows.get(at).is_some_and(|row| row.contains(&ANY))
    }

    fn value(&self, at: usize, column: usize) -> usize {
        self.rows
            .get(at)
            .and_then(|row| row.get(column))
            .copied()
            .unwrap_or(ANY)
    }

    /// Gives a place of a row a value and notes every pair that it makes.
    fn set(&mut self, at: usize, column: usize, value: usize) {
        let Some(row) = self.rows.get_mut(at) else { return };
        match row.get_mut(column) {
            Some(place) => *place = value,
            None => row.push(value),
        }
        if value == ANY {
            return;
        }
        for (other, x) in row.iter().enumerate().filter(|(_, x)| **x != ANY) {
            match other.cmp(&column) {
                std::cmp::Ordering::Less => self.covered.set((other, *x), (column, value)),
                std::cmp::Ordering::Equal => {}
                std::cmp::Ordering::Greater => self.covered.set((column, value), (other, *x)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// Checks that every pair occurs and returns the number of rows.
    fn check(sizes: &[usize], seed: u64) -> usize {
        let rows = rows(sizes, seed);
        assert_eq!(
            rows,
            super::rows(sizes, seed),
            "the same seed gives the same rows"
        );
        let mut met = HashSet::new();
        for row in &rows {
            assert_eq!(row.len(), sizes.len());
            for (a, x) in row.iter().enumerate() {
                assert!(*x < sizes[a], "{row:?} of {sizes:?}");
                for (b, y) in row.iter().enumerate().skip(a + 1) {
                    met.insert((a, *x, b, *y));
                }
            }
        }
        assert_eq!(met.len() as u64, pairs(sizes), "{sizes:?} with seed {seed}");
        assert_eq!(
            rows.iter().collect::<HashSet<_>>().len(),
            rows.len(),
            "no row twice"
        );
        rows.len()
    }

    #[test]
    fn the_numbers_of_the_earlier_system_are_reached_and_no_pair_is_missing() {
        for (sizes, most) in [
            (&[2, 2, 2][..], 4),
            (&[3, 3, 3], 9),
            (&[5, 4, 3, 2], 20),
            // It needed 8.
            (&[2; 10], 6),
            // Only 115 of 220 pairs were covered there, in 6 rows.
            (&[2; 11], 7),
            (&[4], 4),
            (&[7, 1], 7),
            (&[1, 1, 1], 1),
        ] {
            let count = check(sizes, 0);
            assert!(count <= most, "{sizes:?}: {count} rows");
        }
        assert_eq!(
            [pairs(&[2, 2, 2]), pairs(&[3, 3, 3]), pairs(&[5, 4, 3, 2])],
            [12, 27, 71]
        );
        assert_eq!([pairs(&[2; 10]), pairs(&[2; 11])], [180, 220]);
        assert!(rows(&[], 0).is_empty());
    }

    #[test]
    fn many_and_large_dimensions_are_covered_in_few_rows() {
        for (sizes, most) in [
            (vec![2; 60], 10),
            (vec![4; 20], 60),
            (vec![10; 10], 200),
            (vec![100, 90, 3, 2], 9_000),
            (vec![7; 8], 49),
        ] {
            let count = check(&sizes, 1);
            assert!(count <= most, "{sizes:?}: {count} rows");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_pair_occurs_in_at_most_twice_the_least_possible_rows(
            sizes in prop::collection::vec(1_usize..7, 2..9),
            seed in any::<u64>(),
        ) {
            let count = check(&sizes, seed);
            prop_assert!(count <= 2 * bound(&sizes), "{count} rows for {sizes:?}");
            prop_assert!(count >= bound(&sizes));
        }
    }
}
