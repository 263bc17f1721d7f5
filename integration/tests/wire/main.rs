//! VRRP on a real wire in namespaces of this machine's kernel: every form of it, beside Debian's keepalived in both roles,
//! through every failure, and under attack.

#[cfg(test)]
mod form;
#[cfg(test)]
mod frr;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod table;
#[cfg(test)]
mod words;
