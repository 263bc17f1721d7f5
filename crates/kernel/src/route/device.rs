//! Macvlan and ipvlan devices: made, set up and removed through rtnetlink.
//!
//! A device that is there with the right link below and the right address is taken as it is.

use super::{Route, decode};
use crate::netlink::attributes;
use crate::netlink::{Refused, Request};
use standfast_model::InterfaceIndex;
use standfast_model::config::instance::IpvlanMode;
use standfast_net::{Change, Device, DeviceKind, Link};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;

const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;

/// `struct ifinfomsg`
const HEADER_BYTES: usize = 16;
const IFF_UP: u32 = 1;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_GROUP: u16 = 27;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const MACVLAN_MODE_PRIVATE: u32 = 1;
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IPVLAN_MODE_L2: u16 = 0;
const IPVLAN_F_PRIVATE: u16 = 1;
const IPVLAN_F_VEPA: u16 = 2;
const AF_INET6: u16 = 10;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
/// `IN6_ADDR_GEN_MODE_NONE`: no link-local address of the kernel's own making.
const ADDR_GEN_NONE: u8 = 1;

/// What a device inherits from the link below.
#[derive(Debug, Default)]
struct Inherited {
    group: Option<u32>,
    vrf: Option<u32>,
}

impl Route {
    /// Makes the device, down and without any address, or finds it there; in the group and the VRF of the link below
    /// unless the device says otherwise.
    ///
    /// # Errors
    ///
    /// The kernel's: `EEXIST` if another device has the name, `EOPNOTSUPP` without the kernel module.
    pub fn create_device(&mut self, device: &Device) -> Result<Link, Refused> {
        if let Some(link) = self.link_named(device.name.as_str())? {
            return if is_it(&link, device) { Ok(link) } else { Err(Refused::new(libc::EEXIST)) };
        }
        let inherited = self.inherited(device.parent)?;
        self.command(create(device, &inherited))?;
        let link = self.link_named(device.name.as_str())?.ok_or_else(|| Refused::new(libc::ENODEV))?;
        // In the request that creates it the kernel would not know it yet. Without IPv6 there is nothing to set.
        let _ = self.command(set_no_addresses(link.index));
        Ok(link)
    }

    /// Sets a link up, and comes back with it.
    ///
    /// # Errors
    ///
    /// The kernel's: `ENETDOWN` while the link below is down.
    pub fn set_up(&mut self, interface: InterfaceIndex) -> Result<Link, Refused> {
        self.command(Request::new(RTM_NEWLINK, 0, &header(interface, IFF_UP, IFF_UP)).finish())?;
        let request = Request::new(RTM_GETLINK, 0, &header(interface, 0, 0)).finish();
        self.one_link(&request)?.ok_or_else(|| Refused::new(libc::ENODEV))
    }

    /// Has the kernel tell everybody of a link as it is, by setting the group that it has already.
    ///
    /// # Errors
    ///
    /// The kernel's: `ENODEV` if it is gone.
    pub fn tell_of(&mut self, interface: InterfaceIndex) -> Result<(), Refused> {
        let group = self.inherited(interface)?.group.ok_or_else(|| Refused::new(libc::ENODEV))?;
        let mut request = Request::new(RTM_NEWLINK, 0, &header(interface, 0, 0));
        request.put_u32(IFLA_GROUP, group);
        self.command(request.finish())
    }

    /// Removes a device. One that is gone is a success.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn delete_device(&mut self, interface: InterfaceIndex) -> Result<(), Refused> {
        match self.command(Request::new(RTM_DELLINK, 0, &header(interface, 0, 0)).finish()) {
            Err(refused) if refused.errno == libc::ENODEV => Ok(()),
            other => other,
        }
    }

    fn command(&mut self, request: Vec<u8>) -> Result<(), Refused> {
        self.channel.request(&mut [request]).pop().unwrap_or(Ok(()))
    }

    fn link_named(&mut self, name: &str) -> Result<Option<Link>, Refused> {
        let mut request = Request::new(RTM_GETLINK, 0, &header(InterfaceIndex(0), 0, 0));
        request.put_text(IFLA_IFNAME, name);
        self.one_link(&request.finish())
    }

    fn one_link(&mut self, request: &[u8]) -> Result<Option<Link>, Refused> {
        let answers = match self.channel.ask(request) {
            Err(refused) if refused.errno == libc::ENODEV => return Ok(None),
            other => other?,
        };
        Ok(answers.iter().find_map(|(kind, payload)| match decode(*kind, payload) {
            Some(Change::Link(link)) => Some(link),
            Some(
                Change::LinkGone(_)
                | Change::Address(_)
                | Change::AddressGone { .. }
                | Change::Route(_)
                | Change::RouteGone(_)
                | Change::Rule(_)
                | Change::RuleGone(_),
            )
            | None => None,
        }))
    }

    fn inherited(&mut self, parent: InterfaceIndex) -> Result<Inherited, Refused> {
        let mut inherited = Inherited::default();
        for (kind, value) in self.attributes_of(parent)? {
            match kind {
                IFLA_GROUP => inherited.group = value.try_into().ok().map(u32::from_ne_bytes),
                IFLA_MASTER => inherited.vrf = value.try_into().ok().map(u32::from_ne_bytes),
                _ => {}
            }
        }
        // A bridge or a bond is a master as well, and takes no part of ours.
        if let Some(master) = inherited.vrf {
            let info = self.attributes_of(InterfaceIndex(master))?.into_iter().find(|(kind, _)| *kind == IFLA_LINKINFO);
            let is_vrf = info.is_some_and(|(_, info)| {
                attributes(&info).any(|inner| inner.kind() == IFLA_INFO_KIND && inner.value().starts_with(b"vrf"))
            });
            inherited.vrf = inherited.vrf.filter(|_| is_vrf);
        }
        Ok(inherited)
    }

    fn attributes_of(&mut self, interface: InterfaceIndex) -> Result<Vec<(u16, Vec<u8>)>, Refused> {
        let request = Request::new(RTM_GETLINK, 0, &header(interface, 0, 0)).finish();
        let answers = self.channel.ask(&request)?;
        let links = answers.iter().filter(|(kind, _)| *kind == RTM_NEWLINK);
        let payloads = links.filter_map(|(_, payload)| payload.get(HEADER_BYTES..));
        Ok(payloads.flat_map(attributes).map(|a| (a.kind(), a.value().to_vec())).collect())
    }
}

/// Whether the link is the device, made by a predecessor.
fn is_it(link: &Link, device: &Device) -> bool {
    let same = match device.kind {
        DeviceKind::Macvlan { mac } => link.mac == Some(mac),
        DeviceKind::Ipvlan { .. } => true,
    };
    same && link.parent == Some(device.parent)
}

fn header(interface: InterfaceIndex, flags: u32, change: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let fields = [interface.0.to_ne_bytes(), flags.to_ne_bytes(), change.to_ne_bytes()];
    for (to, from) in header.iter_mut().skip(4).zip(fields.as_flattened()) {
        *to = *from;
    }
    header
}

fn create(device: &Device, inherited: &Inherited) -> Vec<u8> {
    let mut request = Request::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header(InterfaceIndex(0), 0, 0));
    request.put_text(IFLA_IFNAME, device.name.as_str());
    request.put_u32(IFLA_LINK, device.parent.0);
    if let Some(group) = device.group.or(inherited.group) {
        request.put_u32(IFLA_GROUP, group);
    }
    if let Some(vrf) = inherited.vrf {
        request.put_u32(IFLA_MASTER, vrf);
    }
    match device.kind {
        DeviceKind::Macvlan { mac } => {
            request.put(IFLA_ADDRESS, &mac.0);
            request.nest(IFLA_LINKINFO, |info| {
                info.put_text(IFLA_INFO_KIND, "macvlan");
                info.nest(IFLA_INFO_DATA, |data| data.put_u32(IFLA_MACVLAN_MODE, MACVLAN_MODE_PRIVATE));
            });
        }
        DeviceKind::Ipvlan { mode } => request.nest(IFLA_LINKINFO, |info| {
            let flags = match mode {
                IpvlanMode::Bridge => 0,
                IpvlanMode::Private => IPVLAN_F_PRIVATE,
                IpvlanMode::Vepa => IPVLAN_F_VEPA,
            };
            info.put_text(IFLA_INFO_KIND, "ipvlan");
            info.nest(IFLA_INFO_DATA, |data| {
                data.put(IFLA_IPVLAN_MODE, &IPVLAN_MODE_L2.to_ne_bytes());
                data.put(IFLA_IPVLAN_FLAGS, &flags.to_ne_bytes());
            });
        }),
    }
    request.finish()
}

fn set_no_addresses(interface: InterfaceIndex) -> Vec<u8> {
    let mut request = Request::new(RTM_NEWLINK, 0, &header(interface, 0, 0));
    request.nest(IFLA_AF_SPEC, |families| {
        // REQ: VRRP3-7.4-01
        families.nest(AF_INET6, |inet6| inet6.put_u8(IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_NONE));
    });
    request.finish()
}
