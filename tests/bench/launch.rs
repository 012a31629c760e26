//! The benchmark `launch`: its cases, and the order in which the systems take turns.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::LaunchArguments;
use crate::cpu::Usage;
use crate::engine::Engine;
use crate::longshore::{HEALTHY_AFTER, Longshore};
use crate::measure;
use crate::progress;
use crate::report::{Outcome, Report, Sample};
use crate::swarm::Swarm;
use crate::system::{Release, Surge, System};
use crate::timeline::Timeline;

/// Let what a case left behind settle before the next measurement.
const SETTLE: Duration = Duration::from_millis(500);
/// Creates at once that the bare API is tried with; the best counts.
const CONCURRENCIES: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Tasks that this is tried with, at most; more behave alike.
const CONCURRENCY_TASKS: u32 = 60;
/// Tasks of the service that is healed.
const HEAL_TASKS: u32 = 3;
/// Tasks of the service that is updated.
const UPDATE_TASKS: u32 = 10;

pub(crate) const BARE: &str = "bare";
pub(crate) const SWARM: &str = "swarm";
pub(crate) const LONGSHORE: &str = "longshore";
const SYSTEMS: [&str; 3] = [BARE, SWARM, LONGSHORE];

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Launch(u32),
    Heal,
    Update(Surge),
}

/// What a case should reach, as the longest time in terms of the other's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Goal {
    pub(crate) of_bare: Option<f64>,
    pub(crate) of_swarm: Option<f64>,
}

impl Case {
    const ALL: [Self; 7] = [
        Self::Launch(1),
        Self::Heal,
        Self::Update(Surge::Double),
        Self::Update(Surge::Half),
        Self::Launch(20),
        Self::Launch(60),
        Self::Launch(100),
    ];

    fn name(self) -> String {
        match self {
            Self::Launch(count) => format!("launch-{count}"),
            Self::Heal => "heal".to_owned(),
            Self::Update(Surge::Double) => "update-200".to_owned(),
            Self::Update(Surge::Half) => "update-100".to_owned(),
        }
    }

    fn about(self) -> String {
        match self {
            Self::Launch(1) => "create-service until its task is RUNNING".to_owned(),
            Self::Launch(count) => format!("create-service until {count} tasks are RUNNING"),
            Self::Heal => format!("container killed until {HEAL_TASKS} other tasks are RUNNING"),
            Self::Update(Surge::Double) => format!("update of {UPDATE_TASKS} tasks, 100/200 %"),
            Self::Update(Surge::Half) => format!("update of {UPDATE_TASKS} tasks, 50/100 %"),
        }
    }

    /// The targets this project has set itself. At least 0.97 of the bare rate is at most 1/0.97
    /// of the bare time.
    fn goal(self) -> Goal {
        match self {
            Self::Launch(1) => Goal {
                of_bare: Some(1.15),
                of_swarm: Some(0.6),
            },
            Self::Launch(60) => Goal {
                of_bare: Some(1.0 / 0.97),
                of_swarm: None,
            },
            Self::Launch(_) => Goal::default(),
            Self::Heal => Goal {
                of_bare: None,
                of_swarm: Some(0.6),
            },
            Self::Update(_) => Goal {
                of_bare: None,
                of_swarm: Some(0.5),
            },
        }
    }

    fn rounds(self, arguments: &LaunchArguments) -> u32 {
        match self {
            _ if arguments.quick => 1,
            // A second each, and the noisiest.
            Self::Launch(1) | Self::Heal => arguments.rounds.saturating_mul(2),
            Self::Launch(20) | Self::Update(_) => arguments.rounds,
            Self::Launch(_) => arguments.rounds.div_ceil(2),
        }
    }

    fn chosen(self, arguments: &LaunchArguments) -> bool {
        if arguments.only.is_empty() {
            !(arguments.quick && self == Self::Launch(100))
        } else {
            arguments.only.contains(&self.name())
        }
    }
}

/// Runs the benchmark, prints its table, and leaves the engine as it was.
pub(crate) async fn run(arguments: &LaunchArguments) -> Result<()> {
    let cases: Vec<_> = Case::ALL
        .into_iter()
        .filter(|case| case.chosen(arguments))
        .collect();
    check_names(arguments)?;
    let engine = Engine::connect(&arguments.image).await?;
    engine.remove_bare().await?;
    engine
        .wait_idle()
        .await
        .context("another benchmark seems to run")?;

    let mut bench = Bench {
        timeline: Timeline::listen(&engine),
        engine,
        bare: !arguments.without.iter().any(|name| name == BARE),
        swarm: None,
        longshore: None,
        concurrency: BTreeMap::new(),
        services: 0,
        report: Report::default(),
    };
    let measured = tokio::select! {
        measured = bench.measure(arguments, &cases) => measured,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let report = std::mem::take(&mut bench.report);
    let cleaned = bench.clean().await;
    if !report.outcomes.is_empty() {
        report.print()?;
        if let Some(path) = &arguments.json {
            report.write(path)?;
        }
    }
    measured.and(cleaned)
}

fn check_names(arguments: &LaunchArguments) -> Result<()> {
    for name in &arguments.only {
        if !Case::ALL.iter().any(|case| case.name() == *name) {
            bail!("--only {name}: there is no such case; see --help");
        }
    }
    for name in &arguments.without {
        if !SYSTEMS.contains(&name.as_str()) {
            bail!("--without {name}: there is no such system; see --help");
        }
    }
    Ok(())
}

struct Bench {
    engine: Engine,
    timeline: Timeline,
    bare: bool,
    swarm: Option<Swarm>,
    longshore: Option<Longshore>,
    /// Creates at once with which the bare API was fastest, by how many tasks it was tried with.
    concurrency: BTreeMap<u32, usize>,
    /// Services made so far; each gets a name of its own.
    services: u32,
    report: Report,
}

impl Bench {
    async fn measure(&mut self, arguments: &LaunchArguments, cases: &[Case]) -> Result<()> {
        let takes_part = |name: &str| !arguments.without.iter().any(|without| without == name);
        if takes_part(SWARM) {
            progress("starting a swarm");
            self.swarm = Some(Swarm::start(&self.engine).await?);
        }
        if takes_part(LONGSHORE) {
            let directory = match &arguments.longshore_dir {
                Some(directory) => directory.clone(),
                None => own_directory()?,
            };
            progress("starting Longshore");
            self.longshore = Some(Longshore::start(&directory, &self.engine.image).await?);
        }
        self.note_setup().await?;
        self.warm_up().await?;
        for case in cases {
            if let Some(longshore) = &mut self.longshore {
                longshore.renew_token().await?;
            }
            let rounds = case.rounds(arguments);
            progress(&format!(
                "{}: {} ({rounds} rounds)",
                case.name(),
                case.about()
            ));
            self.report.outcomes.push(Outcome {
                case: case.name(),
                about: case.about(),
                goal: case.goal(),
                samples: BTreeMap::new(),
            });
            match case {
                Case::Launch(count) => self.launches(*count, rounds).await?,
                Case::Heal => self.heals(rounds).await?,
                Case::Update(surge) => self.updates(*surge, rounds).await?,
            }
        }
        Ok(())
    }

    /// Leaves nothing behind, as far as it can; the first trouble is reported.
    async fn clean(self) -> Result<()> {
        let bare = self.engine.remove_bare().await;
        let longshore = match self.longshore {
            Some(longshore) => longshore.stop().await,
            None => Ok(()),
        };
        let swarm = match self.swarm {
            Some(swarm) => swarm.leave().await,
            None => Ok(()),
        };
        bare.and(longshore).and(swarm)?;
        self.engine.wait_idle().await
    }

    async fn note_setup(&mut self) -> Result<()> {
        let info = self.engine.docker.info().await?;
        self.report.setup.insert(
            "engine".to_owned(),
            format!(
                "Docker {}, {} processors, storage {}, kernel {}",
                info.server_version.unwrap_or_default(),
                info.ncpu.unwrap_or_default(),
                info.driver.unwrap_or_default(),
                info.kernel_version.unwrap_or_default(),
            ),
        );
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default();
        self.report.setup.insert(
            "load".to_owned(),
            format!("{load} over the minute before; what else runs slows everything down"),
        );
        self.report.setup.insert(
            "waiting".to_owned(),
            format!(
                "Longshore --healthy-after {HEALTHY_AFTER}; Swarm restart delay 0, update monitor \
                 1 ms, any failure ratio; {}",
                measure::POLLING,
            ),
        );
        Ok(())
    }

    /// One launch each that does not count, and a look at what was launched.
    async fn warm_up(&mut self) -> Result<()> {
        if self.bare {
            self.engine.start_bare(0).await?;
            let like = self.engine.describe("longshore-bench-bare-0").await?;
            self.report.setup.insert(BARE.to_owned(), like);
            self.engine.remove_bare().await?;
        }
        let service = self.service();
        if let Some(swarm) = &mut self.swarm {
            let like = first_launch(swarm, &self.engine, &service).await?;
            self.report.setup.insert(SWARM.to_owned(), like);
        }
        if let Some(longshore) = &mut self.longshore {
            let like = first_launch(longshore, &self.engine, &service).await?;
            self.report.setup.insert(LONGSHORE.to_owned(), like);
        }
        Ok(())
    }

    async fn launches(&mut self, count: u32, rounds: u32) -> Result<()> {
        let concurrency = if self.bare && count > 1 {
            self.best_concurrency(count).await?
        } else {
            1
        };
        for round in 0..rounds {
            for turn in turns(round) {
                tokio::time::sleep(SETTLE).await;
                self.timeline.take();
                let service = self.service();
                let before = Usage::read()?;
                let mut sample = match turn {
                    BARE if self.bare && count == 1 => {
                        let start = self.engine.start_bare(0).await?;
                        let mut sample = Sample::of(start.running);
                        sample.add("create answered", start.create);
                        sample
                    }
                    BARE if self.bare => {
                        Sample::of(self.engine.start_many(0..count, concurrency).await?)
                    }
                    SWARM => match &mut self.swarm {
                        Some(swarm) => launch_one(swarm, &self.timeline, &service, count).await?,
                        None => continue,
                    },
                    LONGSHORE => match &mut self.longshore {
                        Some(longshore) => {
                            launch_one(longshore, &self.timeline, &service, count).await?
                        }
                        None => continue,
                    },
                    _ => continue,
                };
                sample.cpu = Usage::read()?.since(&before);
                match turn {
                    SWARM => delete(self.swarm.as_mut(), &service).await?,
                    LONGSHORE => delete(self.longshore.as_mut(), &service).await?,
                    _ => self.engine.remove_bare().await?,
                }
                self.engine.wait_idle().await?;
                self.keep(turn, sample);
            }
        }
        Ok(())
    }

    /// How many creates at once serve the bare API best, tried once.
    async fn best_concurrency(&mut self, count: u32) -> Result<usize> {
        let count = count.min(CONCURRENCY_TASKS);
        if let Some(known) = self.concurrency.get(&count) {
            return Ok(*known);
        }
        let mut tried = Vec::new();
        for concurrency in CONCURRENCIES {
            tokio::time::sleep(SETTLE).await;
            let took = self.engine.start_many(0..count, concurrency).await?;
            self.engine.remove_bare().await?;
            tried.push((took, concurrency));
        }
        let best = tried.iter().min().context("no concurrency was tried")?.1;
        self.concurrency.insert(count, best);
        let shown: Vec<_> = tried
            .iter()
            .map(|(took, concurrency)| format!("{concurrency} at once {:.2} s", took.as_secs_f64()))
            .collect();
        self.report.setup.insert(
            format!("bare, {count} tasks"),
            format!("{}; {best} at once taken", shown.join(", ")),
        );
        Ok(best)
    }

    async fn heals(&mut self, rounds: u32) -> Result<()> {
        let service = self.service();
        self.launch_both(&service, HEAL_TASKS, Surge::Double)
            .await?;
        for round in 0..rounds {
            for turn in turns(round) {
                tokio::time::sleep(SETTLE).await;
                let before = Usage::read()?;
                self.timeline.take();
                let heal = match turn {
                    SWARM => match &mut self.swarm {
                        Some(swarm) => measure::heal(swarm, &self.engine, &service).await?,
                        None => continue,
                    },
                    LONGSHORE => match &mut self.longshore {
                        Some(longshore) => measure::heal(longshore, &self.engine, &service).await?,
                        None => continue,
                    },
                    _ => continue,
                };
                let mut sample = Sample::of(heal.healed);
                sample.add("kill answered", heal.killed);
                self.timeline.add_to(&mut sample, heal.called_at);
                sample.cpu = Usage::read()?.since(&before);
                self.keep(turn, sample);
            }
        }
        self.delete_both(&service).await
    }

    async fn updates(&mut self, surge: Surge, rounds: u32) -> Result<()> {
        let service = self.service();
        self.launch_both(&service, UPDATE_TASKS, surge).await?;
        let mut release = Release::One;
        for round in 0..rounds {
            release = release.other();
            for turn in turns(round) {
                tokio::time::sleep(SETTLE).await;
                if turn == BARE && self.bare {
                    // Begins and ends with nothing of the bare API on the engine.
                    let roll = self.engine.roll_bare(UPDATE_TASKS, surge).await?;
                    self.engine.remove_bare().await?;
                    self.keep(turn, roll);
                    continue;
                }
                let before = Usage::read()?;
                let update = match turn {
                    SWARM => match &mut self.swarm {
                        Some(swarm) => {
                            measure::update(swarm, &service, UPDATE_TASKS, surge, release).await?
                        }
                        None => continue,
                    },
                    LONGSHORE => match &mut self.longshore {
                        Some(longshore) => {
                            measure::update(longshore, &service, UPDATE_TASKS, surge, release)
                                .await?
                        }
                        None => continue,
                    },
                    _ => continue,
                };
                let mut sample = Sample::of(update.done);
                sample.add("new tasks RUNNING", update.started);
                sample.add("old tasks stopped", update.done);
                sample.add("reported complete", update.reported);
                sample.cpu = Usage::read()?.since(&before);
                self.keep(turn, sample);
            }
        }
        self.delete_both(&service).await
    }

    async fn launch_both(&mut self, service: &str, count: u32, surge: Surge) -> Result<()> {
        if let Some(swarm) = &mut self.swarm {
            measure::launch(swarm, service, count, surge).await?;
        }
        if let Some(longshore) = &mut self.longshore {
            measure::launch(longshore, service, count, surge).await?;
        }
        Ok(())
    }

    async fn delete_both(&mut self, service: &str) -> Result<()> {
        delete(self.swarm.as_mut(), service).await?;
        delete(self.longshore.as_mut(), service).await?;
        self.engine.wait_idle().await
    }

    fn keep(&mut self, system: &'static str, sample: Sample) {
        progress(&format!("  {system:<9} {:8.1} ms", sample.seconds * 1e3));
        if let Some(outcome) = self.report.outcomes.last_mut() {
            outcome.samples.entry(system).or_default().push(sample);
        }
    }

    fn service(&mut self) -> String {
        self.services += 1;
        format!("longshore-bench-{}", self.services)
    }
}

/// The systems in an order that rotates from round to round.
fn turns(round: u32) -> [&'static str; 3] {
    let mut turns = SYSTEMS;
    turns.rotate_left(round as usize % SYSTEMS.len());
    turns
}

async fn delete<S: System>(system: Option<&mut S>, service: &str) -> Result<()> {
    match system {
        Some(system) => system.delete(service).await,
        None => Ok(()),
    }
}

async fn first_launch<S: System>(system: &mut S, engine: &Engine, service: &str) -> Result<String> {
    let launch = measure::launch(system, service, 1, Surge::Double).await?;
    let container = launch
        .tasks
        .iter()
        .find_map(|task| task.container.as_deref())
        .with_context(|| format!("{} shows no container of its task", system.name()))?;
    let like = engine.describe(container).await?;
    system.delete(service).await?;
    engine.wait_idle().await?;
    Ok(like)
}

/// Measures a launch; of one task, also what happened when.
async fn launch_one<S: System>(
    system: &mut S,
    timeline: &Timeline,
    service: &str,
    count: u32,
) -> Result<Sample> {
    let launch = measure::launch(system, service, count, Surge::Double).await?;
    let mut sample = Sample::of(launch.running);
    sample.add("API answered", launch.acked);
    if count == 1 {
        if let Some(at) = launch.tasks.iter().find_map(|task| task.created_at) {
            sample.add_at("task created", launch.called_at, at);
        }
        timeline.add_to(&mut sample, launch.called_at);
    }
    Ok(sample)
}

fn own_directory() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the own binary")?;
    let directory = own.parent().context("the own binary has no directory")?;
    Ok(directory.to_owned())
}
