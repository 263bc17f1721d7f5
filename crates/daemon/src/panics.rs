//! A panic is our own mistake. It ends the process, and the log says where it was.

/// Lets every panic leave a line on the log besides the one on standard error, which may be nowhere.
pub fn log_them() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("bug in standfast, please report it: {panic}");
        print(panic);
    }));
}
