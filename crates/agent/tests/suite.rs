//! What every runtime does alike: one suite, run on the fake and on Docker.

#![allow(clippy::unwrap_used, missing_docs)]

mod rig;

use std::time::Duration;

use futures::StreamExt;
use longshore_agent::runtime::fake::FakeRuntime;
use longshore_agent::runtime::{Runtime, RuntimeError, Since, Standing, container_name};
use longshore_supervisor::Sighting;
use rig::{Sweep, container, random_instance, task};

async fn suite<R: Runtime>(mine: &R, other: &R) {
    let task = task(vec![container("main", &["sleep", "600"])]);
    let name = container_name(&task, 0);
    let nothing = mine.inspect(&name).await.unwrap();
    assert_eq!(nothing.sighting, Sighting::Missing);
    mine.pull(&task.containers[0].image).await.unwrap();

    let created = mine.create(&task, 0).await.unwrap();
    assert_eq!(created.sighting, Sighting::Created);
    let id = created.runtime_id.clone().unwrap();
    let again = mine.create(&task, 0).await.unwrap();
    assert_eq!(
        again.runtime_id.as_ref(),
        Some(&id),
        "creating what exists adopts it"
    );
    assert_eq!(again.sighting, Sighting::Created);

    let taken = other.create(&task, 0).await;
    assert!(matches!(taken, Err(RuntimeError::Refused(_))), "{taken:?}");
    assert!(other.list().await.unwrap().is_empty());

    assert_eq!(
        mine.start(&task, 0).await.unwrap().sighting,
        Sighting::Running
    );
    let listed = mine.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].task, task.task);
    assert_eq!(listed[0].container, "main");
    assert_eq!(listed[0].standing, Standing::Running);
    assert_eq!(listed[0].runtime_id, id);
    let running = mine.create(&task, 0).await.unwrap();
    assert_eq!(
        running.sighting,
        Sighting::Running,
        "adopting says where it is"
    );

    assert!(matches!(
        mine.remove(&name).await,
        Err(RuntimeError::Refused(_))
    ));
    let stopped = mine.stop(&name, Duration::ZERO).await.unwrap();
    let Sighting::Exited(exit) = stopped.sighting else {
        panic!("{stopped:?}");
    };
    assert_eq!(exit.code, 137);
    assert!(!exit.oom_killed);
    let stopped_again = mine.stop(&id, Duration::ZERO).await.unwrap();
    assert_eq!(
        stopped_again.sighting,
        Sighting::Exited(exit),
        "stopping is repeatable"
    );
    mine.remove(&id).await.unwrap();
    mine.remove(&id).await.unwrap();
    assert_eq!(mine.inspect(&id).await.unwrap().sighting, Sighting::Missing);
    mine.release(task.task).await.unwrap();

    let mut logs = mine.logs(task.task, "main", None, false);
    assert!(matches!(
        logs.next().await,
        Some(Err(RuntimeError::Refused(_)))
    ));
}

#[tokio::test]
async fn the_fake_does_as_docker_does() {
    let fake = FakeRuntime::new(random_instance());
    fake.engine().images.insert(rig::IMAGE.to_owned());
    suite(&fake, &fake.seen_by(random_instance())).await;
    let refused = fake.pull("no/such:1").await;
    assert!(matches!(refused, Err(RuntimeError::Refused(_))));
    let mut notices = fake.watch(Since(0));
    let task = task(vec![container("main", &[])]);
    fake.create(&task, 0).await.unwrap();
    fake.start(&task, 0).await.unwrap();
    fake.exit(&container_name(&task, 0), 3);
    assert_eq!(notices.next().await.unwrap().unwrap().0.task, task.task);
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_does() {
    rig::image();
    let (mine, other) = (random_instance(), random_instance());
    let _sweep = (Sweep(mine), Sweep(other));
    suite(&rig::docker(mine).await, &rig::docker(other).await).await;
}
