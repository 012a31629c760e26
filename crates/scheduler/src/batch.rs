//! Placements that are decided and not committed yet.

use std::sync::Arc;

use longshore_model::InstanceId;
use longshore_model::instance::Resources;
use longshore_model::placement::{Rejection, Unplaced};
use longshore_model::plan::Ctx;

use crate::index::Index;
use crate::lack::Lack;
use crate::request::Request;

/// Names the placements of one kept attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub(crate) u64);

/// One placement that is not a task yet.
#[derive(Debug, Clone)]
pub(crate) struct Tentative {
    pub(crate) instance: InstanceId,
    pub(crate) born: u64,
    pub(crate) group: Arc<str>,
    pub(crate) demand: Arc<Resources>,
}

/// Where one task goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The instance.
    pub instance: InstanceId,
    /// The GPU devices it is given; as many as were asked for.
    pub gpus: Vec<String>,
}

/// Where equal tasks go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// One per task placed, in the order they were placed.
    pub placed: Vec<Placed>,
    /// Why the next task goes nowhere; set when fewer were placed than asked for.
    pub unplaced: Option<Unplaced>,
    /// What the next task waits for; set likewise.
    pub lack: Option<Lack>,
}

/// Placements of one decision. Each counts for those after it at once. Dropped, an attempt leaves
/// the index as it was; kept, its placements stay until [`Index::forget`].
#[derive(Debug)]
pub struct Attempt<'a> {
    index: &'a mut Index,
    tentative: Vec<Tentative>,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(index: &'a mut Index) -> Self {
        Self {
            index,
            tentative: Vec::new(),
        }
    }

    /// The index with the placements made so far.
    pub fn index(&self) -> &Index {
        self.index
    }

    /// Places `count` equal tasks, each where the chain of the request prefers it.
    pub fn place(&mut self, request: &Arc<Request>, count: u32, ctx: &mut Ctx) -> Placement {
        let mut placement = Placement::default();
        if count == 0 {
            return placement;
        }
        let mut class = self.index.borrow_class(request);
        let mut shared = Shared::new(request);
        for _ in 0..count {
            let Some(place) = class.best(ctx) else {
                placement.unplaced = Some(self.index.unplaced(&class));
                placement.lack = Some(Lack::new(Arc::clone(request)));
                break;
            };
            // Before the instance is looked at: the two lie apart in memory and are waited for at once.
            let known = class.known(place);
            placement
                .placed
                .extend(self.take(place, request, &mut shared));
            class.learn_beyond(known, place, self.index.slot_at(place).map(|slot| &*slot));
        }
        self.index.return_class(class);
        placement
    }

    /// Places one task on this instance if it fits there (StartTask, daemons).
    ///
    /// # Errors
    /// Why it does not fit; [`Rejection::NotActive`] for an instance that is not known.
    pub fn place_on(
        &mut self,
        instance: InstanceId,
        request: &Arc<Request>,
    ) -> Result<Placed, Rejection> {
        let place = self.index.place_of(instance).ok_or(Rejection::NotActive)?;
        if let Some(rejection) = self.index.rejection(instance, request) {
            return Err(rejection);
        }
        self.take(place, request, &mut Shared::new(request))
            .ok_or(Rejection::NotActive)
    }

    fn take(&mut self, place: usize, request: &Request, shared: &mut Shared) -> Option<Placed> {
        let slot = self.index.slot_at(place)?;
        let gpus: Vec<String> = match request.gpus {
            0 => Vec::new(),
            count => slot.free_gpus().take(count as usize).cloned().collect(),
        };
        let demand = shared.with(&gpus);
        slot.take(&demand);
        shared.group = slot.count(&shared.group, 1, 1);
        let instance = slot.id();
        self.tentative.push(Tentative {
            instance,
            born: slot.born,
            group: Arc::clone(&shared.group),
            demand,
        });
        self.index.taken(place);
        Some(Placed { instance, gpus })
    }

    /// Keeps the placements while they are committed. The caller gives the id to
    /// [`Index::forget`] once it knows what became of the commit.
    pub fn keep(mut self) -> BatchId {
        let tentative = std::mem::take(&mut self.tentative);
        self.index.keep(tentative)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let tentative = std::mem::take(&mut self.tentative);
        self.index.undo(&tentative);
    }
}

/// What equal placements share.
struct Shared {
    group: Arc<str>,
    demand: Arc<Resources>,
}

impl Shared {
    fn new(request: &Request) -> Self {
        let mut demand = request.demand.clone();
        demand.gpus.clear();
        Self {
            group: Arc::from(request.group.as_str()),
            demand: Arc::new(demand),
        }
    }

    /// The demand with these devices.
    fn with(&self, gpus: &[String]) -> Arc<Resources> {
        if gpus.is_empty() {
            return Arc::clone(&self.demand);
        }
        let mut demand = (*self.demand).clone();
        demand.gpus.extend(gpus.iter().cloned());
        Arc::new(demand)
    }
}
