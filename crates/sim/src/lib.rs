//! A LAN, clocks and a kernel that are values: many routers in virtual time from one seed.
