//! Tables and the short forms of what stands in them.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use longshore_proto::Timestamp;

/// Characters of an id that are shown: enough to be unique by far among the tasks of a cluster.
const SHORT_ID: usize = 12;
/// Shown where there is nothing.
pub(crate) const NOTHING: &str = "-";

/// A table under construction: a header and rows, no lines.
pub(crate) struct Listing {
    table: Table,
    columns: usize,
}

impl Listing {
    /// With these column titles. `colour` is whether escapes may be used.
    pub(crate) fn new(titles: &[&str], colour: bool) -> Self {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(
                titles
                    .iter()
                    .map(|title| Cell::new(title).add_attribute(Attribute::Bold)),
            );
        if colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self {
            table,
            columns: titles.len(),
        }
    }

    /// Aligns a column of numbers to the right; out of range does nothing.
    pub(crate) fn right(mut self, column: usize) -> Self {
        if let Some(column) = self.table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        self
    }

    /// Adds a row.
    pub(crate) fn row<T: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.table
            .add_row(cells.into_iter().map(Into::into).collect::<Vec<Cell>>());
    }

    /// The finished text, ending with a newline; `none` takes its place when there is no row.
    pub(crate) fn text(&self, none: &str) -> String {
        if self.table.row_count() == 0 || self.columns == 0 {
            return format!("{none}\n");
        }
        self.table
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }
}

/// A cell for an ECS status, coloured by what it means.
pub(crate) fn status_cell(status: &str) -> Cell {
    let cell = Cell::new(status);
    match status {
        "ACTIVE" | "RUNNING" | "COMPLETED" | "HEALTHY" | "connected" => cell.fg(Color::Green),
        "FAILED" | "UNHEALTHY" | "disconnected" => cell.fg(Color::Red),
        "PROVISIONING" | "PENDING" | "ACTIVATING" | "DEACTIVATING" | "STOPPING"
        | "DEPROVISIONING" | "IN_PROGRESS" | "DRAINING" | "REGISTERING" => cell.fg(Color::Yellow),
        _ => cell,
    }
}

/// What follows the last slash of an ARN: an id, a name or family:revision.
pub(crate) fn name_of(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, name)| name)
}

/// The first characters of the id at the end of an ARN.
pub(crate) fn short_id(arn: &str) -> &str {
    let id = name_of(arn);
    id.get(..SHORT_ID).unwrap_or(id)
}

/// How long ago something was, in its two largest units: `3m 20s ago`.
pub(crate) fn ago(time: Option<&Timestamp>, now_millis: i64) -> String {
    let Some(time) = time else {
        return NOTHING.to_owned();
    };
    let seconds = now_millis.saturating_sub(time.millis()).max(0) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days}d {}h ago", hours % 24)
    } else if hours > 0 {
        format!("{hours}h {}m ago", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m {}s ago", seconds % 60)
    } else {
        format!("{seconds}s ago")
    }
}

/// A point in time in UTC, to the second.
pub(crate) fn moment(time: Option<&Timestamp>) -> String {
    time.and_then(|time| jiff::Timestamp::from_millisecond(time.millis()).ok())
        .map_or_else(
            || NOTHING.to_owned(),
            |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        )
}

/// Now, in milliseconds since the Unix epoch.
pub(crate) fn now_millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The text of an optional member.
pub(crate) fn text(value: Option<&String>) -> &str {
    value.map_or(NOTHING, String::as_str)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn short_forms() {
        let arn =
            "arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcdef";
        assert_eq!(name_of(arn), "0123456789abcdef0123456789abcdef");
        assert_eq!(short_id(arn), "0123456789ab");
        assert_eq!(short_id("short"), "short");
        assert_eq!(name_of("a:task-definition/web:3"), "web:3");
    }

    #[test]
    fn ages() {
        let now = 1_700_000_000_000;
        for (seconds, expected) in [
            (-5, "0s ago"),
            (0, "0s ago"),
            (59, "59s ago"),
            (61, "1m 1s ago"),
            (3_700, "1h 1m ago"),
            (90_000, "1d 1h ago"),
        ] {
            let then = Timestamp::from_millis(now - seconds * 1000);
            assert_eq!(ago(Some(&then), now), expected, "{seconds}");
        }
        assert_eq!(ago(None, now), "-");
        assert_eq!(
            moment(Some(&Timestamp::from_millis(now))),
            "2023-11-14T22:13:20Z"
        );
    }

    #[test]
    fn columns_line_up_without_trailing_spaces() {
        let mut listing = Listing::new(&["NAME", "N"], false).right(1);
        listing.row(["a", "10"]);
        listing.row(["longer", "5"]);
        assert_eq!(listing.text("none"), "NAME     N\na       10\nlonger   5\n");
        assert_eq!(
            Listing::new(&["NAME"], false).text("No tasks."),
            "No tasks.\n"
        );
    }
}
