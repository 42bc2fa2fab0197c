//! The program; `undercroft::cli` says what it can do.

fn main() -> std::process::ExitCode {
    undercroft::cli::run()
}
