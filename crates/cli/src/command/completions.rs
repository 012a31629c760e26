//! `longshore completions`.

use clap::{Args, CommandFactory as _, ValueEnum};

use super::Arguments;
use crate::terminal;

const EXAMPLES: &str = "\
EXAMPLES:
  For this bash, and for every later one:
    source <(longshore completions bash)
    longshore completions bash > ~/.local/share/bash-completion/completions/longshore

  For fish:
    longshore completions fish > ~/.config/fish/completions/longshore.fish";

/// Print what makes a shell complete longshore's commands and flags
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let shell = match self.shell {
            Shell::Bash => clap_complete::Shell::Bash,
            Shell::Zsh => clap_complete::Shell::Zsh,
            Shell::Fish => clap_complete::Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), "longshore", &mut script);
        Ok(terminal::print_bytes(&script)?)
    }
}
