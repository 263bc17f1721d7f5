//! A table of a MIB: columns, rows in the order of their index, and a function for a cell.

use crate::world::World;
use standfast_agentx::{Oid, Value};

/// What a row is about: places in lists, as the table's function understands them.
pub(crate) type Place = [usize; 3];

/// The value of a cell; none if the row has no such object.
type Cell = fn(&World, Place, u32) -> Option<Value>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Table {
    /// The entry object. Scalars stand in a table of one row with the index 0.
    entry: Oid,
    /// In ascending order.
    columns: &'static [u32],
    /// In ascending order.
    rows: Vec<(Vec<u32>, Place)>,
    cell: Cell,
}

impl Table {
    pub(crate) fn new(
        entry: Oid,
        columns: &'static [u32],
        rows: impl IntoIterator<Item = (Vec<u32>, Place)>,
        cell: Cell,
    ) -> Self {
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort();
        rows.dedup_by(|one, other| one.0 == other.0);
        Self { entry, columns, rows, cell }
    }

    /// Objects that there is one of.
    pub(crate) fn scalars(group: Oid, columns: &'static [u32], cell: Cell) -> Self {
        Self::new(group, columns, [(vec![0], [0; 3])], cell)
    }

    /// Which column and row a name means.
    pub(crate) fn find(&self, name: &Oid) -> Option<(u32, Place)> {
        let (column, index) = name.below(&self.entry)?.split_first()?;
        self.columns.binary_search(column).ok()?;
        let row = self.rows.binary_search_by(|(known, _)| known.as_slice().cmp(index)).ok()?;
        self.rows.get(row).map(|(_, place)| (*column, *place))
    }

    /// Whether a name is one of a column of this, whatever its index.
    pub(crate) fn knows(&self, name: &Oid) -> bool {
        name.below(&self.entry).and_then(<[u32]>::first).is_some_and(|column| self.columns.contains(column))
    }

    pub(crate) fn get(&self, world: &World, name: &Oid) -> Option<Value> {
        self.find(name).and_then(|(column, place)| (self.cell)(world, place, column))
    }

    /// The first object behind a name, or at it.
    pub(crate) fn next(&self, world: &World, name: &Oid, include: bool) -> Option<(Oid, Value)> {
        let (from, index) = match name.below(&self.entry) {
            Some([column, index @ ..]) => (*column, index),
            Some([]) => (0, &[][..]),
            None if name < &self.entry => (0, &[][..]),
            None => return None,
        };
        for column in self.columns.iter().copied().filter(|column| *column >= from) {
            let begin = if column > from {
                0
            } else {
                self.rows.partition_point(|(known, _)| match known.as_slice().cmp(index) {
                    core::cmp::Ordering::Less => true,
                    core::cmp::Ordering::Equal => !include,
                    core::cmp::Ordering::Greater => false,
                })
            };
            for (known, place) in self.rows.iter().skip(begin) {
                if let Some(value) = (self.cell)(world, *place, column) {
                    return Some((self.entry.with(&[column]).with(known), value));
                }
            }
        }
        None
    }
}
