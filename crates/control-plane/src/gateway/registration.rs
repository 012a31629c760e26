//! What an agent says of its node when a session begins, and that it is away when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use longshore_model::cluster::ClusterStatus;
use longshore_model::instance::{Connection, Incarnation, Instance, InstanceStatus, Resources};
use longshore_model::{ClusterName, CpuUnits, InstanceId, Mib, Port, ReplicaId, Timestamp};
use longshore_proto::agent::Hello;
use longshore_store::{Txn, View};
use tonic::Status;

/// Attributes an agent may register.
const MAX_ATTRIBUTES: usize = 512;
/// Longest attribute name and value (ECS API reference).
const MAX_ATTRIBUTE_LENGTH: usize = 128;

/// A Hello whose values were checked.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The life of the agent that says it.
    pub incarnation: Incarnation,
    registered: Resources,
    attributes: BTreeMap<String, Option<String>>,
    hostname: String,
    agent_version: String,
    agent_hash: Option<String>,
    docker_version: String,
    /// The control plane that the session is with, where there may be several.
    replica: Option<ReplicaId>,
}

impl Registration {
    /// Checks what an agent says of its node.
    ///
    /// # Errors
    /// `invalid_argument` names what is missing or too large.
    pub fn read(hello: Hello) -> Result<Self, Status> {
        let invalid = |what: &str| Status::invalid_argument(format!("Hello: {what}"));
        let incarnation = hello
            .incarnation
            .ok_or_else(|| invalid("incarnation is missing"))?;
        let capacity = hello
            .capacity
            .ok_or_else(|| invalid("capacity is missing"))?;
        let ports = |ports: Vec<u32>| {
            ports
                .into_iter()
                .map(Port::try_from)
                .collect::<Result<BTreeSet<_>, _>>()
        };
        let bad_port = |_| invalid("a reserved port is above 65535");
        let fits = |text: &str| text.len() <= MAX_ATTRIBUTE_LENGTH;
        let attributes: BTreeMap<_, _> = hello.attributes.into_iter().collect();
        if attributes.len() > MAX_ATTRIBUTES
            || !attributes
                .iter()
                .all(|(name, value)| fits(name) && fits(value))
        {
            return Err(invalid("attributes are too many or too long"));
        }
        if ![
            &hello.hostname,
            &hello.agent_version,
            &hello.agent_hash,
            &hello.docker_version,
            &incarnation.boot_id,
        ]
        .into_iter()
        .all(|text| text.len() <= 255)
        {
            return Err(invalid("hostname, versions and boot id may have 255 bytes"));
        }
        Ok(Self {
            incarnation: Incarnation {
                boot_id: incarnation.boot_id,
                agent_started_at: Timestamp::from_millis(incarnation.agent_started_at),
            },
            registered: Resources {
                cpu: CpuUnits(capacity.cpu),
                memory: Mib(capacity.memory),
                tcp_ports: ports(capacity.reserved_tcp_ports).map_err(bad_port)?,
                udp_ports: ports(capacity.reserved_udp_ports).map_err(bad_port)?,
                ..Resources::default()
            },
            attributes: attributes
                .into_iter()
                .map(|(name, value)| (name, Some(value).filter(|value| !value.is_empty())))
                .collect(),
            hostname: hello.hostname,
            agent_version: hello.agent_version,
            agent_hash: Some(hello.agent_hash).filter(|hash| !hash.is_empty()),
            docker_version: hello.docker_version,
            replica: None,
        })
    }

    /// The same, in a session with the control plane `replica`. It stands only while that one is
    /// announced: one that the others count as gone must not say that an agent is connected.
    pub fn through(self, replica: ReplicaId) -> Self {
        Self {
            replica: Some(replica),
            ..self
        }
    }

    /// The transaction that writes it down, and that the agent is connected; and since when that
    /// is so. No two registrations of an instance have the same time, so that the end of a
    /// session can tell whether it is still the newest.
    ///
    /// # Errors
    /// `failed_precondition` for an instance that was deregistered, an earlier life of the agent,
    /// or a cluster that does not exist; `unavailable` where the control plane is not announced, or
    /// the record of the instance is damaged: it cannot be written before it is mended.
    pub fn register(
        &self,
        view: &View,
        cluster: &ClusterName,
        id: InstanceId,
        now: Timestamp,
    ) -> Result<(Txn, Timestamp), Status> {
        if view.is_set_aside::<Instance>(format_args!("{cluster}/{id}")) {
            return Err(Status::unavailable(format!(
                "the record of container instance {id} is damaged; `longshore-control-plane check` says how; restore a backup"
            )));
        }
        let mut txn = Txn::new();
        let mut since = now;
        if let Some(replica) = self.replica {
            let announced = view.replicas.get(&replica).ok_or_else(unannounced)?;
            txn.guard(announced);
        }
        match view.instances.get(&(cluster.clone(), id)) {
            Some(read) if read.status == InstanceStatus::Inactive => return Err(deregistered(id)),
            Some(read) => {
                let older = self.incarnation.boot_id == read.incarnation.boot_id
                    && self.incarnation.agent_started_at < read.incarnation.agent_started_at;
                if older {
                    return Err(Status::failed_precondition(
                        "a later start of this agent has registered already",
                    ));
                }
                let (Connection::Connected(before)
                | Connection::Disconnected(before)
                | Connection::Lost(before)) = read.connection;
                since = now.max(before.after(Duration::from_millis(1)));
                let mut instance = Instance::clone(read);
                self.write(&mut instance, since);
                txn.replace(read, &instance);
            }
            None => {
                let home = view
                    .clusters
                    .get(cluster)
                    .filter(|c| c.status == ClusterStatus::Active);
                let home = home.ok_or_else(|| {
                    Status::failed_precondition(format!(
                        "cluster {cluster} does not exist; create it, then start the agent again"
                    ))
                })?;
                let mut instance = Instance {
                    id,
                    cluster: cluster.clone(),
                    status: InstanceStatus::Active,
                    status_reason: None,
                    registered: Resources::default(),
                    attributes: BTreeMap::new(),
                    custom_attributes: BTreeMap::new(),
                    hostname: String::new(),
                    agent_version: String::new(),
                    agent_hash: None,
                    docker_version: String::new(),
                    incarnation: self.incarnation.clone(),
                    connection: Connection::Connected(now),
                    replica: None,
                    registered_at: now,
                    version: 1,
                    tags: BTreeMap::new(),
                };
                self.write(&mut instance, since);
                txn.guard(home);
                txn.create(&instance);
            }
        }
        Ok((txn, since))
    }

    fn write(&self, instance: &mut Instance, since: Timestamp) {
        instance.incarnation = self.incarnation.clone();
        instance.registered = self.registered.clone();
        instance.attributes = self.attributes.clone();
        instance.hostname.clone_from(&self.hostname);
        instance.agent_version.clone_from(&self.agent_version);
        instance.agent_hash.clone_from(&self.agent_hash);
        instance.docker_version.clone_from(&self.docker_version);
        instance.connection = Connection::Connected(since);
        instance.replica = self.replica;
    }
}

/// Whether the registration made at `since` is still the newest of the instance.
pub fn stands(view: &View, cluster: &ClusterName, id: InstanceId, since: Timestamp) -> bool {
    let read = view.instances.get(&(cluster.clone(), id));
    read.is_some_and(|instance| instance.connection == Connection::Connected(since))
}

/// The transaction that notes that the session which registered at `since` is over. Empty if the
/// agent has registered again by then, wherever that was, or is known to be away.
pub fn disconnect(
    view: &View,
    cluster: &ClusterName,
    id: InstanceId,
    since: Timestamp,
    now: Timestamp,
) -> Txn {
    let mut txn = Txn::new();
    let read = view.instances.get(&(cluster.clone(), id));
    if let Some(read) = read.filter(|i| i.connection == Connection::Connected(since)) {
        let mut instance = Instance::clone(read);
        instance.connection = Connection::Disconnected(now);
        txn.replace(read, &instance);
    }
    txn
}

/// The transaction that notes that every agent is away, which is so when the control plane has
/// just started.
pub fn disconnect_all(view: &View, now: Timestamp) -> Txn {
    let mut txn = Txn::new();
    for read in view
        .instances
        .values()
        .filter(|i| i.connection.is_connected())
    {
        let mut instance = Instance::clone(read);
        instance.connection = Connection::Disconnected(now);
        txn.replace(read, &instance);
    }
    txn
}

/// Whether the instance was deregistered, which ends its sessions.
pub fn is_deregistered(view: &View, cluster: &ClusterName, instance: InstanceId) -> bool {
    let read = view.instances.get(&(cluster.clone(), instance));
    read.is_some_and(|instance| instance.status == InstanceStatus::Inactive)
}

fn unannounced() -> Status {
    Status::unavailable(
        "this control plane is not announced in the store at the moment; connect to another, or here again",
    )
}

pub(super) fn deregistered(instance: InstanceId) -> Status {
    Status::failed_precondition(format!(
        "container instance {instance} was deregistered; join again with a new token and an empty data directory"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use longshore_store::{Db, Memory, Store};

    use super::*;
    use crate::testing::{self, put};

    const ID: InstanceId = InstanceId::new(1);

    fn instance(connection: Connection) -> Instance {
        testing::instance(ID, connection)
    }

    fn hello() -> Hello {
        Hello {
            incarnation: Some(longshore_proto::agent::Incarnation {
                boot_id: "boot".to_owned(),
                agent_started_at: 0,
            }),
            capacity: Some(longshore_proto::agent::Capacity::default()),
            ..Hello::default()
        }
    }

    #[test]
    fn the_end_of_an_older_session_says_nothing() {
        let cluster = ClusterName::default_cluster();
        let (older, newer) = (Timestamp::from_millis(5), Timestamp::from_millis(6));
        let mut view = View::default();
        put(&mut view, &instance(Connection::Connected(newer)));
        assert!(disconnect(&view, &cluster, ID, older, newer).is_empty());
        assert!(!disconnect(&view, &cluster, ID, newer, newer).is_empty());
        assert!(stands(&view, &cluster, ID, newer) && !stands(&view, &cluster, ID, older));
    }

    #[test]
    fn no_two_registrations_have_the_same_time() {
        let cluster = ClusterName::default_cluster();
        let now = Timestamp::from_millis(5);
        let mut view = View::default();
        put(&mut view, &instance(Connection::Connected(now)));
        let registration = Registration::read(hello()).unwrap();
        let (_, since) = registration.register(&view, &cluster, ID, now).unwrap();
        assert_eq!(since, Timestamp::from_millis(6));
    }

    #[test]
    fn an_instance_whose_record_is_damaged_is_not_registered() {
        let cluster = ClusterName::default_cluster();
        let now = Timestamp::from_millis(5);
        let mut view = View::default();
        let record = instance(Connection::Disconnected(now));
        put(&mut view, &record);
        testing::damage(&mut view, &record);
        let registration = Registration::read(hello()).unwrap();
        let refused = registration.register(&view, &cluster, ID, now).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unavailable);
        assert!(refused.message().contains("damaged"), "{refused}");
    }

    #[test]
    fn only_an_announced_control_plane_registers() {
        let cluster = ClusterName::default_cluster();
        let (here, now) = (ReplicaId::new(9), Timestamp::from_millis(5));
        let mut view = View::default();
        put(&mut view, &instance(Connection::Disconnected(now)));
        let registration = Registration::read(hello()).unwrap().through(here);
        let refused = registration.register(&view, &cluster, ID, now).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unavailable);
        put(&mut view, &testing::replica(here));
        let (txn, since) = registration.register(&view, &cluster, ID, now).unwrap();
        assert_eq!((txn.len(), since), (1, Timestamp::from_millis(6)));
    }

    #[tokio::test]
    async fn a_registration_replaces_what_the_agent_said_and_nothing_that_users_put() {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let db = Db::open(store).await.unwrap();
        let mut before = instance(Connection::Disconnected(Timestamp::default()));
        before.attributes = BTreeMap::from([("old".to_owned(), None)]);
        before.custom_attributes = BTreeMap::from([("stack".to_owned(), Some("prod".to_owned()))]);
        let mut txn = Txn::new();
        txn.create(&before);
        db.commit(txn).await.unwrap();
        let said = Hello {
            attributes: [("stack".to_owned(), "test".to_owned())].into(),
            ..hello()
        };
        let registration = Registration::read(said).unwrap();
        let cluster = ClusterName::default_cluster();
        let now = Timestamp::from_millis(7);
        let (txn, _) = registration
            .register(&db.view(), &cluster, ID, now)
            .unwrap();
        db.commit(txn).await.unwrap();
        let view = db.view();
        let after = &view.instances[&(cluster, ID)];
        assert_eq!(after.custom_attributes, before.custom_attributes);
        assert_eq!(after.attribute("stack"), Some(Some("prod")));
        assert_eq!(after.attribute("old"), None);
        assert_eq!(after.attributes["stack"].as_deref(), Some("test"));
    }
}
