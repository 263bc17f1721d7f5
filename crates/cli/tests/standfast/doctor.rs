//! `standfast doctor` on a machine of its own that is ill in several ways, and then mended by what it said. Needs root.

use crate::common::Files;
use std::process::Command;

const CONF: &str = "
vrrp_instance VI_E {
    interface east
    virtual_router_id 51
    virtual_ipaddress {
        192.0.2.100/24
    }
}
virtual_server 192.0.2.100 80 {
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 10.0.0.1 80 {
        weight 1
    }
}
";

/// A namespace with a link that is up, and the doctor's words after some commands.
fn examined(files: &Files, commands: &str) -> String {
    let script = format!(
        "set -e\nmount --make-rprivate /\nmount -t sysfs none /sys\nip link set lo up\nip link add east type veth peer name west\nip link set west up\nip link set east up\n\
         {commands}\n\"$0\" doctor --config keepalived.conf || true"
    );
    let output = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_standfast")])
        .current_dir(&files.directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const FILTER: &str = "nft add table inet filter\n\
    nft add chain inet filter input '{ type filter hook input priority 0; policy drop; }'";

#[test]
fn what_is_wrong_with_a_machine_is_said_with_its_reason_and_gone_when_it_is_mended() {
    let files = Files::new(&[("keepalived.conf", CONF)]);
    let ill =
        examined(&files, &format!("echo 0 > /proc/sys/net/ipv4/ip_forward\nip link set east multicast off\n{FILTER}"));
    for line in [
        "problem: net.ipv4.ip_forward is 0",
        "problem: VI_E: interface east takes no multicast",
        "problem: the packet filter drops what no rule accepts, and none accepts VRRP: ",
        "    mend: sysctl -w net.ipv4.ip_forward=1, and the same line in /etc/sysctl.d/",
    ] {
        assert!(ill.contains(line), "{line}\n{ill}");
    }
    let well = examined(
        &files,
        &format!(
            "{FILTER}\nsysctl -q -w net.ipv4.ip_forward=1\nnft insert rule inet filter input ip protocol 112 accept"
        ),
    );
    for word in ["ip_forward", "multicast", "packet filter"] {
        assert!(!well.contains(word), "{word}\n{well}");
    }
}
