//! What Docker answers. The input is an event, an inspection or a listing, as JSON.

use bollard::models::{ContainerInspectResponse, ContainerSummary, EventMessage};
use longshore_agent::runtime::docker::{listed, look, notice};
use longshore_agent::runtime::label;
use longshore_supervisor::Sighting;

/// Reads an answer as each of the three; JSON that is one is seldom another.
pub fn run(data: &[u8]) {
    if let Ok(event) = serde_json::from_slice::<EventMessage>(data) {
        see(event);
    }
    if let Ok(found) = serde_json::from_slice::<ContainerInspectResponse>(data) {
        inspect(&found);
    }
    if let Ok(list) = serde_json::from_slice::<Vec<ContainerSummary>>(data) {
        let all = list.len();
        let ours: Vec<_> = list.into_iter().filter_map(listed).collect();
        assert!(ours.len() <= all);
    }
}

fn see(event: EventMessage) {
    let attributes = event.actor.clone().and_then(|actor| actor.attributes);
    let at = event.time_nano;
    if let Some((notice, since)) = notice(event) {
        // Nothing is made up: every part was said.
        let attributes = attributes.expect("a notice comes from labels");
        assert_eq!(attributes[label::TASK], notice.task.to_string());
        assert_eq!(attributes[label::CONTAINER_NAME], notice.container);
        assert_eq!(at, Some(since.0));
    }
}

fn inspect(found: &ContainerInspectResponse) {
    let look = look::at(found);
    assert_eq!(look.runtime_id, found.id);
    let state = found.state.clone().unwrap_or_default();
    if state.running == Some(true) {
        assert_eq!(look.sighting, Sighting::Running);
    }
    let published = found
        .network_settings
        .as_ref()
        .and_then(|settings| settings.ports.as_ref())
        .map_or(0, |ports| ports.values().flatten().map(Vec::len).sum());
    if let Some(bindings) = &look.network_bindings {
        assert_eq!(look.sighting, Sighting::Running, "only what runs has ports");
        assert!(bindings.is_sorted() && bindings.len() <= published);
    }
}
