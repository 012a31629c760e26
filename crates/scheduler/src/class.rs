//! What the index knows of all instances for one request: which fit, and in what order they are
//! preferred. Kept while the request is asked again, and brought up to date only where something
//! changed.
//!
//! Instances that share the values of every attribute the chain spreads over form a *cell*. Within
//! a cell only what is the instance's own decides (its tasks of the group, what it has left), so
//! the cell keeps its fitting instances in that order. Between cells the task counts per value
//! decide as well; a list of the cells' best instances is kept in the order of the whole chain.

use std::collections::BTreeMap;
use std::sync::Arc;

use longshore_model::placement::{PackedResource, PlacementStrategy, SpreadField};
use longshore_model::plan::Ctx;

use crate::filter::{self, Check, Statics};
use crate::order;
use crate::ranked::Ranked;
use crate::request::Request;
use crate::slot::Slot;

/// Rules of a chain that are the instance's own: its tasks, its CPU, its memory.
const MAX_LOCAL: usize = 3;
/// Rules of a chain (`MAX_STRATEGIES`).
const MAX_RULES: usize = 5;

/// One rule of the chain.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// Counts per value of the spread attribute at this place.
    Value(usize),
    /// The instance's own measure at this place.
    Local(usize),
}

#[derive(Debug, Clone, Copy)]
enum Local {
    Tasks,
    Left(PackedResource),
}

/// A fitting instance in its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: [u32; MAX_LOCAL],
    order: [u32; 2],
    slot: u32,
}

/// A cell in the list of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Top {
    key: [u64; MAX_RULES],
    order: u64,
    cell: u32,
}

#[derive(Debug, Clone)]
struct Cell {
    /// Per spread attribute, which of its values.
    values: Vec<u32>,
    order: u64,
    fitting: Ranked<Entry>,
    top: Option<Top>,
}

/// The values of one spread attribute.
#[derive(Debug, Clone, Default)]
struct Values {
    ids: BTreeMap<String, u32>,
    /// Tasks of the group per value.
    counts: Vec<u32>,
    /// The one that stands for the attribute's absence.
    absent: Option<u32>,
    /// Cells per value.
    cells: Vec<Vec<u32>>,
}

/// What is known of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Record {
    /// Generation of the instance it was learned from.
    generation: u64,
    /// The instance's place among ties.
    order: u64,
    statics: Statics,
    verdict: u8,
    cell: u32,
    key: [u32; MAX_LOCAL],
    wanted: u32,
}

/// No instance has this place.
const ABSENT: u8 = 0;
/// It can take one task.
const FITS: u8 = 1;
/// It cannot; added to the code of the check that fails first.
const FAILS: u8 = 2;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Class {
    pub(crate) request: Arc<Request>,
    rules: Vec<Rule>,
    locals: Vec<Local>,
    attributes: Vec<String>,
    records: Vec<Record>,
    values: Vec<Values>,
    cells: Vec<Cell>,
    by_values: BTreeMap<Vec<u32>, u32>,
    tops: Ranked<Top>,
    /// Instances per verdict.
    verdicts: Vec<u32>,
    /// Sets of attribute names that were checked against what is required.
    name_sets: BTreeMap<u64, bool>,
    /// Only names are required, no values.
    names_only: bool,
    /// Up to which change of the index it is up to date.
    pub(crate) synced: u64,
    /// When it was used last, in uses of the index.
    pub(crate) used: u64,
}

impl Class {
    pub(crate) fn new(request: Arc<Request>) -> Self {
        let mut class = Self {
            rules: Vec::new(),
            locals: Vec::new(),
            attributes: Vec::new(),
            records: Vec::new(),
            values: Vec::new(),
            cells: Vec::new(),
            by_values: BTreeMap::new(),
            tops: Ranked::default(),
            verdicts: vec![0; usize::from(u8::MAX) + 1],
            name_sets: BTreeMap::new(),
            names_only: request.attributes.values().all(Option::is_none),
            synced: 0,
            used: 0,
            request,
        };
        for rule in class.request.chain().into_iter().take(MAX_RULES) {
            let local = match rule {
                PlacementStrategy::Spread(SpreadField::Attribute(name)) => {
                    class.rules.push(Rule::Value(class.attributes.len()));
                    class.attributes.push(name);
                    class.values.push(Values::default());
                    continue;
                }
                PlacementStrategy::Binpack(resource) => Local::Left(resource),
                PlacementStrategy::Spread(_) | PlacementStrategy::Random => Local::Tasks,
            };
            class.rules.push(Rule::Local(class.locals.len()));
            class.locals.push(local);
        }
        class
    }

    /// How many instances it has a record of.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Learns everything anew.
    pub(crate) fn load(&mut self, slots: &[Option<Slot>]) {
        let used = self.used;
        *self = Self::new(Arc::clone(&self.request));
        self.used = used;
        self.records = vec![Record::default(); slots.len()];
        for (at, slot) in slots.iter().enumerate() {
            let Some(slot) = slot else { continue };
            let record = self.record(slot, &Record::default());
            self.verdicts[usize::from(record.verdict)] += 1;
            self.add_wanted(record.cell, record.wanted);
            self.records[at] = record;
        }
        let mut fitting = vec![Vec::new(); self.cells.len()];
        for (at, record) in self.records.iter().enumerate() {
            if record.verdict == FITS {
                fitting[record.cell as usize].push(entry(at, record));
            }
        }
        for (cell, fitting) in fitting.into_iter().enumerate() {
            self.cells[cell].fitting.load(fitting);
            self.refresh(cell as u32);
        }
    }

    /// What is known of the instance at this place.
    pub(crate) fn known(&self, at: usize) -> Record {
        self.records.get(at).copied().unwrap_or_default()
    }

    /// Learns one instance anew.
    pub(crate) fn learn(&mut self, at: usize, slot: Option<&Slot>) {
        self.learn_beyond(self.known(at), at, slot);
    }

    /// Learns one instance anew of which `old` is known.
    pub(crate) fn learn_beyond(&mut self, old: Record, at: usize, slot: Option<&Slot>) {
        if self.records.len() <= at {
            self.records.resize(at + 1, Record::default());
        }
        let new = slot.map_or_else(Record::default, |slot| self.record(slot, &old));
        if new == old {
            return;
        }
        self.verdicts[usize::from(old.verdict)] -= u32::from(old.verdict != ABSENT);
        self.verdicts[usize::from(new.verdict)] += u32::from(new.verdict != ABSENT);
        self.relist(at, &old, &new);
        self.records[at] = new;
        let recounted = old.wanted != new.wanted || old.cell != new.cell;
        if recounted {
            self.drop_wanted(old.cell, old.wanted);
            self.add_wanted(new.cell, new.wanted);
        }
        if old.cell != new.cell {
            self.refresh_all_with(old.cell);
        }
        self.refresh_all_with_or_one(new.cell, recounted);
    }

    /// Moves the instance in the lists of fitting ones.
    fn relist(&mut self, at: usize, old: &Record, new: &Record) {
        let (before, after) = (entry(at, old), entry(at, new));
        let same = old.verdict == new.verdict && old.cell == new.cell && before == after;
        if same {
            return;
        }
        if old.verdict == FITS {
            self.cells[old.cell as usize].fitting.remove(&before);
        }
        if new.verdict == FITS {
            self.cells[new.cell as usize].fitting.insert(after);
        }
    }

    fn record(&mut self, slot: &Slot, old: &Record) -> Record {
        let (statics, cell) = if old.generation == slot.generation && old.verdict != ABSENT {
            (old.statics, old.cell)
        } else {
            let attributes = self.has_attributes(slot);
            let statics = Statics::of(slot, &self.request, attributes);
            (statics, self.cell_of(slot))
        };
        let wanted = slot.group(&self.request.group).wanted;
        let mut key = [0; MAX_LOCAL];
        for (measure, local) in key.iter_mut().zip(&self.locals) {
            *measure = match local {
                Local::Tasks => wanted,
                Local::Left(PackedResource::Cpu) => slot.left_cpu(self.request.kind),
                Local::Left(PackedResource::Memory) => slot.left_memory(self.request.kind),
            };
        }
        let verdict = match filter::first_failure(slot, &self.request, &statics) {
            None => FITS,
            Some(check) => FAILS.saturating_add(check.code()),
        };
        Record {
            generation: slot.generation,
            order: slot.order,
            statics,
            verdict,
            cell,
            key,
            wanted,
        }
    }

    /// Many instances have the same set of attribute names; each set is looked at once.
    fn has_attributes(&mut self, slot: &Slot) -> bool {
        if !self.names_only {
            return filter::has_attributes(slot, &self.request);
        }
        if let Some(has) = self.name_sets.get(&slot.names) {
            return *has;
        }
        let has = filter::has_attributes(slot, &self.request);
        self.name_sets.insert(slot.names, has);
        has
    }

    fn cell_of(&mut self, slot: &Slot) -> u32 {
        let names: Vec<Option<&str>> = self
            .attributes
            .iter()
            .map(|name| {
                let value = slot.state.attributes.get(name)?;
                Some(value.as_deref().unwrap_or_default())
            })
            .collect();
        let values: Vec<u32> = names
            .iter()
            .zip(&mut self.values)
            .map(|(name, values)| values.id(*name))
            .collect();
        if let Some(cell) = self.by_values.get(&values) {
            return *cell;
        }
        let cell = self.cells.len() as u32;
        for (value, known) in values.iter().zip(&mut self.values) {
            known.cells[*value as usize].push(cell);
        }
        self.cells.push(Cell {
            values: values.clone(),
            order: order::of_values(names.into_iter()),
            fitting: Ranked::default(),
            top: None,
        });
        self.by_values.insert(values, cell);
        cell
    }

    fn add_wanted(&mut self, cell: u32, wanted: u32) {
        let Some(cell) = self.cells.get(cell as usize) else {
            return;
        };
        for (value, values) in cell.values.iter().zip(&mut self.values) {
            values.counts[*value as usize] += wanted;
        }
    }

    fn drop_wanted(&mut self, cell: u32, wanted: u32) {
        let Some(cell) = self.cells.get(cell as usize) else {
            return;
        };
        for (value, values) in cell.values.iter().zip(&mut self.values) {
            values.counts[*value as usize] -= wanted;
        }
    }

    /// Brings the places of this cell, and of those that share a counted value with it, up to date.
    fn refresh_all_with(&mut self, cell: u32) {
        let at = cell as usize;
        for spread in 0..self.values.len() {
            let Some(value) = self.cells.get(at).map(|cell| cell.values[spread] as usize) else {
                return;
            };
            for sharing in 0..self.values[spread].cells[value].len() {
                let other = self.values[spread].cells[value][sharing];
                if other != cell {
                    self.refresh(other);
                }
            }
        }
        self.refresh(cell);
    }

    fn refresh_all_with_or_one(&mut self, cell: u32, all: bool) {
        if all && !self.attributes.is_empty() {
            self.refresh_all_with(cell);
        } else {
            self.refresh(cell);
        }
    }

    fn refresh(&mut self, at: u32) {
        let Some(cell) = self.cells.get(at as usize) else {
            return;
        };
        let top = cell.fitting.first().map(|best| Top {
            key: self.whole_key(cell, &best.key),
            order: cell.order,
            cell: at,
        });
        let old = cell.top;
        if top == old {
            return;
        }
        if let Some(old) = old {
            self.tops.remove(&old);
        }
        if let Some(top) = top {
            self.tops.insert(top);
        }
        self.cells[at as usize].top = top;
    }

    /// The measures of all rules, in the order of the chain.
    fn whole_key(&self, cell: &Cell, own: &[u32; MAX_LOCAL]) -> [u64; MAX_RULES] {
        let mut key = [0; MAX_RULES];
        for (measure, rule) in key.iter_mut().zip(&self.rules) {
            *measure = match rule {
                Rule::Local(at) => u64::from(own[*at]),
                Rule::Value(at) => {
                    let (value, values) = (cell.values[*at], &self.values[*at]);
                    let count = u64::from(values.counts[value as usize]);
                    let last = u64::from(values.absent == Some(value));
                    last << 32 | count
                }
            };
        }
        key
    }

    /// Where the next task goes: by chance among the cells that are equally good, then among the
    /// instances there that are.
    pub(crate) fn best(&self, ctx: &mut Ctx) -> Option<usize> {
        let first = self.tops.first()?;
        let cells = self.tops.leading(|top| top.key == first.key);
        let top = self.tops.nth(draw(cells, ctx))?;
        let fitting = &self.cells[top.cell as usize].fitting;
        let first = fitting.first()?;
        let equals = fitting.leading(|entry| entry.key == first.key);
        let chosen = fitting.nth(draw(equals, ctx))?;
        Some(chosen.slot as usize)
    }

    /// How many instances fail first at each check.
    pub(crate) fn failing(&self) -> impl Iterator<Item = (Check, u32)> {
        let codes = (FAILS..=u8::MAX).zip(&self.verdicts[usize::from(FAILS)..]);
        codes
            .filter(|(_, count)| **count > 0)
            .map(|(verdict, count)| (Check::from_code(verdict - FAILS), *count))
    }

    /// The instances that fail first at this check, at most so many.
    pub(crate) fn failing_at(&self, check: Check, most: usize) -> impl Iterator<Item = usize> {
        let verdict = FAILS.saturating_add(check.code());
        let places = self.records.iter().enumerate();
        places
            .filter(move |(_, record)| record.verdict == verdict)
            .map(|(at, _)| at)
            .take(most)
    }
}

/// One of `among`, from 0; draws only where there is a choice.
pub(crate) fn draw(among: usize, ctx: &mut Ctx) -> usize {
    if among <= 1 {
        return 0;
    }
    usize::try_from(ctx.draw() % among as u64).unwrap_or(0)
}

fn entry(at: usize, record: &Record) -> Entry {
    Entry {
        key: record.key,
        order: [(record.order >> 32) as u32, record.order as u32],
        slot: at as u32,
    }
}

impl Values {
    fn id(&mut self, name: Option<&str>) -> u32 {
        let known = match name {
            Some(name) => self.ids.get(name).copied(),
            None => self.absent,
        };
        if let Some(id) = known {
            return id;
        }
        let id = self.counts.len() as u32;
        match name {
            Some(name) => drop(self.ids.insert(name.to_owned(), id)),
            None => self.absent = Some(id),
        }
        self.counts.push(0);
        self.cells.push(Vec::new());
        id
    }
}
