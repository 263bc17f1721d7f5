//! Keywords of what can be tracked: scripts, processes, files.

use super::{Args, Block, I32, SECOND, flag, value};

/// `vrrp_script`
pub(crate) static VRRP_SCRIPT: Block = Block {
    path: "vrrp_script",
    keywords: &[
        value("script", Args::Command, "required", "Command to run; further words on the line are ignored.").live(),
        value(
            "interval",
            Args::Seconds(1000, 4294 * SECOND),
            "1",
            "Period between starts; a run is skipped if the previous one still runs.",
        )
        .live(),
        value(
            "timeout",
            Args::Seconds(1000, 4294 * SECOND),
            "interval",
            "Run time after which SIGTERM, then SIGKILL 2 s later, is sent.",
        )
        .live(),
        value(
            "weight",
            Args::Other("<N> [reverse]", 1),
            "0",
            "0 means failure gives FAULT; positive added on success, negative applied on failure.",
        )
        .live(),
        value(
            "rise",
            Args::Number(1, I32),
            "1",
            "Successes needed to change from failed to OK (first result after start needs only one).",
        )
        .live(),
        value(
            "fall",
            Args::Number(1, I32),
            "1",
            "Failures needed to change from OK to failed (first result after start needs only one).",
        )
        .live(),
        value("user", Args::User, "script_user", "Identity for the script; on error the script is removed.").live(),
        flag(
            "init_fail",
            "Failed until the first result. keepalived reads it, and forgets it once the script is tracked.",
        )
        .live(),
    ],
};

/// `vrrp_track_process`
pub(crate) static VRRP_TRACK_PROCESS: Block = Block {
    path: "vrrp_track_process",
    keywords: &[
        value(
            "process",
            Args::Other("<COMMAND> [<ARG>...]", 1),
            "required",
            "Program to match; giving arguments turns on full_command and exact parameter matching.",
        )
        .live(),
        value(
            "param_match",
            Args::Other("[initial|partial]", 0),
            "none (exact when bare or args given)",
            "How arguments are compared; turns on full_command.",
        )
        .live(),
        value("weight", Args::Other("<N> [reverse]", 1), "0", "0 means FAULT when quorum is lost.").live(),
        value("quorum", Args::Number(1, 65535), "1", "Minimum number of processes.").live(),
        value(
            "quorum_max",
            Args::Number(0, 65535),
            "unlimited",
            "Maximum number of processes; 0 demands that none runs.",
        )
        .live(),
        value("delay", Args::Seconds(1, 3600 * SECOND), "0", "Sets both terminate_delay and fork_delay.").live(),
        value(
            "terminate_delay",
            Args::Seconds(1, 3600 * SECOND),
            "0",
            "Grace time after quorum is lost through termination.",
        )
        .live(),
        value(
            "fork_delay",
            Args::Seconds(1, 3600 * SECOND),
            "0",
            "Grace time after quorum is gained through a new process.",
        )
        .live(),
        flag("full_command", "Match /proc/PID/cmdline instead of the 15 character comm name.").live(),
    ],
};

/// `track_file`
pub(crate) static TRACK_FILE: Block = Block {
    path: "track_file",
    keywords: &[
        value("file", Args::OneWord("PATH"), "required", "File to read; missing or non-numeric counts as 0.").live(),
        value(
            "weight",
            Args::Other("<N> [reverse]", 1),
            "1",
            "Multiplier applied to the number; 0 means non-zero content is a fault.",
        )
        .live(),
        value(
            "init_file",
            Args::Other("[<VALUE>] [overwrite]", 0),
            "off; value 0",
            "Create the file at start if missing, with overwrite always rewrite it; never on reload.",
        )
        .live(),
    ],
};
