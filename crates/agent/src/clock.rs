//! The time that one life of the agent goes by.

use std::time::Instant;

use longshore_model::Timestamp;
use longshore_model::report::TaskReport;

use crate::pass;

/// By how much the node's clock may differ before what is reported is corrected, in ms.
const TOLERANCE: i64 = 1000;

/// The node's clock as it was when the life began, plus what has gone by since. Whoever sets the
/// node's clock moves no timer of a life, neither stalling nor hurrying it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Timestamp,
    at: Instant,
}

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        Self {
            began: pass::now(),
            at: Instant::now(),
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.began.after(self.at.elapsed())
    }

    /// Turns the times of these reports, which are this clock's, into those of the node's clock as
    /// it is set now.
    pub fn correct(&self, reports: &mut [TaskReport]) {
        correct(reports, pass::now().millis() - self.now().millis());
    }
}

/// Moves all times of these reports by so many ms, unless that is next to nothing.
pub fn correct(reports: &mut [TaskReport], by: i64) {
    if by.abs() < TOLERANCE {
        return;
    }
    for report in reports {
        for at in [
            &mut report.pull_started_at,
            &mut report.pull_stopped_at,
            &mut report.started_at,
            &mut report.execution_stopped_at,
            &mut report.stopped_at,
        ] {
            *at = at.map(|at| Timestamp::from_millis(at.millis().saturating_add(by)));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use longshore_model::TaskId;
    use longshore_model::task::TaskStatus;

    use super::*;

    #[test]
    fn reports_follow_a_clock_that_was_set_and_not_one_that_drifts() {
        let report = TaskReport {
            started_at: Some(Timestamp::from_millis(5000)),
            ..TaskReport::new(TaskId::new(1), TaskStatus::Running)
        };
        for (by, expected) in [(0, 5000), (999, 5000), (-60_000, -55_000), (1000, 6000)] {
            let mut reports = [report.clone()];
            correct(&mut reports, by);
            assert_eq!(
                reports[0].started_at,
                Some(Timestamp::from_millis(expected))
            );
            assert_eq!(reports[0].stopped_at, None);
        }
    }
}
