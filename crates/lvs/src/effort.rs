//! How much the director looks at in one call, for the tests of its longest step: a clock would judge the machine.
//!
//! It counts real servers and checkers, wherever one piece of work goes through those of a pool or of all pools. Outside of
//! tests it is nothing.

#[cfg(test)]
std::thread_local! {
    static LOOKED_AT: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

/// So many real servers or checkers were looked at, compared, or brought in.
pub(crate) fn looked_at(servers: usize) {
    #[cfg(test)]
    LOOKED_AT.with(|count| count.set(count.get() + servers));
    #[cfg(not(test))]
    let _ = servers;
}

/// How many were looked at meanwhile.
#[cfg(test)]
pub(crate) fn of(work: impl FnOnce()) -> usize {
    LOOKED_AT.set(0);
    work();
    LOOKED_AT.get()
}
