//! IPVS and its checks on kernels that have it: the same tables as keepalived in the same world, and the set-ups that
//! users describe.

#[cfg(test)]
mod backends;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod haproxy;
#[cfg(test)]
mod namespaces;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod quorum;
#[cfg(test)]
mod same_tables;
#[cfg(test)]
mod sctp;
#[cfg(test)]
mod site;
#[cfg(test)]
mod snmp;
#[cfg(test)]
mod told;
#[cfg(test)]
mod whole;
