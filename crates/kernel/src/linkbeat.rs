//! Whether a link has a carrier, asked of its driver: for drivers that do not tell of it (`linkbeat_interfaces`).
//!
//! Three ways, as the configuration names them: the status register of the transceiver (MII), `ETHTOOL_GLINK`, and the
//! flags of the interface. It remembers nothing and polls nothing by itself.

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use standfast_model::InterfaceName;
use standfast_model::config::instance::LinkbeatMethod;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

const SIOCGMIIPHY: u64 = 0x8947;
const SIOCGMIIREG: u64 = 0x8948;
const SIOCETHTOOL: u64 = 0x8946;
const SIOCGIFFLAGS: u64 = 0x8913;

/// `ETHTOOL_GLINK`
const ETHTOOL_GLINK: u32 = 0x0a;

/// The status register, and in it: the link is up. The bit stays down after a loss until it has been read.
const MII_BMSR: u16 = 1;
const BMSR_LSTATUS: u16 = 0x0004;

/// `struct ifreq`: a name and what goes with it, at most a `struct ifmap` of 24 octets.
#[repr(C, align(8))]
struct Request {
    name: [u8; 16],
    data: [u8; 24],
}

/// `struct ethtool_value`
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// A socket to ask by.
#[derive(Debug)]
pub struct LinkProbe {
    socket: OwnedFd,
}

impl LinkProbe {
    /// Opens it, in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE`.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)? })
    }

    /// Whether the link is up; without a method the first of MII, ETHTOOL and the flags that the driver answers.
    ///
    /// # Errors
    ///
    /// `ENODEV` without such a link, `EOPNOTSUPP` if its driver has no such method.
    pub fn is_up(&self, name: &InterfaceName, method: Option<LinkbeatMethod>) -> io::Result<bool> {
        match method {
            Some(LinkbeatMethod::Mii) => self.mii(name),
            Some(LinkbeatMethod::Ethtool) => self.ethtool(name),
            Some(LinkbeatMethod::Ioctl) => self.flags(name),
            None => self.mii(name).or_else(|_| self.ethtool(name)).or_else(|_| self.flags(name)),
        }
    }

    fn mii(&self, name: &InterfaceName) -> io::Result<bool> {
        let mut request = request(name);
        self.ask(SIOCGMIIPHY, &mut request)?;
        let mut status = 0;
        for _ in 0..2 {
            // phy_id stays as the first question left it, reg_num follows it.
            let [_, _, low, high, ..] = &mut request.data;
            [*low, *high] = MII_BMSR.to_ne_bytes();
            self.ask(SIOCGMIIREG, &mut request)?;
            let [_, _, _, _, _, _, low, high, ..] = request.data;
            status = u16::from_ne_bytes([low, high]);
        }
        Ok(status & BMSR_LSTATUS != 0)
    }

    fn ethtool(&self, name: &InterfaceName) -> io::Result<bool> {
        let mut value = EthtoolValue { command: ETHTOOL_GLINK, data: 0 };
        let mut request = request(name);
        let pointer = core::ptr::from_mut(&mut value).expose_provenance().to_ne_bytes();
        for (to, from) in request.data.iter_mut().zip(pointer) {
            *to = from;
        }
        self.ask(SIOCETHTOOL, &mut request)?;
        // The kernel has written it behind the compiler's back.
        Ok(core::hint::black_box(&value).data != 0)
    }

    fn flags(&self, name: &InterfaceName) -> io::Result<bool> {
        let mut request = request(name);
        self.ask(SIOCGIFFLAGS, &mut request)?;
        let [low, high, ..] = request.data;
        let running = i32::from(u16::from_ne_bytes([low, high])) & libc::IFF_RUNNING;
        Ok(running != 0)
    }

    fn ask(&self, question: u64, request: &mut Request) -> io::Result<()> {
        #[expect(unsafe_code, reason = "no crate asks drivers for the state of a link")]
        // SAFETY: each of the four questions reads and writes a `struct ifreq`, which is 40 octets, as `Request` is, and
        // SIOCETHTOOL beside that an `ethtool_value` behind the pointer that its one caller has put in, which lives
        // until the call is over.
        let outcome = unsafe { libc::ioctl(self.socket.as_raw_fd(), question as _, core::ptr::from_mut(request)) };
        if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn request(name: &InterfaceName) -> Request {
    let mut request = Request { name: [0; 16], data: [0; 24] };
    // A name has at most 15 octets, so that the last one stays zero.
    for (to, from) in request.name.iter_mut().zip(name.as_str().bytes().take(15)) {
        *to = from;
    }
    request
}

const _: () = assert!(size_of::<Request>() == size_of::<libc::ifreq>());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_a_link_by_every_way_that_it_knows_and_no_transceiver() {
        let probe = LinkProbe::open().unwrap();
        let lo = "lo".parse().unwrap();
        assert!(probe.is_up(&lo, Some(LinkbeatMethod::Ethtool)).unwrap());
        assert!(probe.is_up(&lo, Some(LinkbeatMethod::Mii)).is_err());
        assert!(probe.is_up(&lo, None).unwrap(), "the next way is asked");
        let none = "no-such-link".parse().unwrap();
        assert_eq!(probe.is_up(&none, None).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }
}
