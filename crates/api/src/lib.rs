//! Status, events and commands that the daemon, the operator's command and the page share.
