//! A service over SCTP behind NAT: what a client says over an association comes back through the director, and a script
//! that asks over SCTP takes the server out and in. The kernels of server and client are such as know SCTP.

use std::time::Duration;

use lab::seed::Daemon;
use lab::{Machine, Plan, Process, Result, eventually, until};

use crate::documents::{ADDRESSES, VIP};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const SERVER: &str = "10.0.100.2";

/// 132 is SCTP.
const ECHO: &str = "import socket\n\
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)\n\
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n\
    server.bind(('10.0.100.2', 7))\n\
    server.listen(5)\n\
    print('serving', flush=True)\n\
    while True:\n    \
        peer, address = server.accept()\n    \
        peer.sendall(address[0].encode() + b' said ' + peer.recv(100))\n    \
        peer.close()\n";

/// Says a word to the address that it is given, and prints what comes back.
const ASK: &str = "#!/usr/bin/python3\nimport socket, sys\n\
    peer = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)\n\
    peer.settimeout(4)\n\
    peer.connect((sys.argv[1], 7))\n\
    peer.sendall(b'hello')\n\
    print(peer.recv(100).decode())\n";

fn conf() -> String {
    format!(
        "global_defs {{\n    script_user root\n    enable_script_security\n}}\n{ADDRESSES}\
         virtual_server {VIP} 7 {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind NAT\n    protocol SCTP\n    \
         real_server {SERVER} 7 {{\n        weight 1\n        MISC_CHECK {{\n            \
         misc_path \"/etc/lab/ask {SERVER}\"\n            misc_timeout 8\n        }}\n    }}\n}}\n"
    )
}

fn serve(server: &Machine) -> Result<Process> {
    let echo = server.spawn(["python3", "/etc/lab/echo"])?;
    echo.wait_for("serving", seconds(20))?;
    Ok(echo)
}

#[test]
fn an_sctp_service_is_served_behind_nat_and_checked_over_sctp() -> Result<()> {
    let mut plan = Plan::new("sctp");
    let (outside, inside) = (plan.lan("outside"), plan.lan("inside"));
    plan.director("director").card(outside, ["192.168.1.11/24"]).card(inside, ["10.0.100.11/24"]);
    plan.director("client").card(outside, ["192.168.1.51/24"]);
    plan.director("server").card(inside, ["10.0.100.2/24"]);
    let lab = plan.start()?;
    let [director, client, server] = [lab.machine("director")?, lab.machine("client")?, lab.machine("server")?];
    for machine in [&director, &client, &server] {
        machine.run("modprobe sctp")?;
        machine.put_with_mode("/etc/lab/ask", ASK, 0o755)?;
    }
    server.run("ip route add default via 10.0.100.200")?;
    server.put("/etc/lab/echo", ECHO)?;
    let echo = serve(&server)?;
    let daemon = Daemon::standfastd()?.start(&director, &conf())?;

    let ask = || client.run(format!("/etc/lab/ask {VIP}"));
    let heard = eventually("the service answered", seconds(30), ask)?;
    assert_eq!(heard, "192.168.1.51 said hello\n", "the server sees the client, as behind NAT it should");
    let service = format!("SCTP {VIP}:7");
    let in_table = || director.ipvs().map(|table| table.servers(&service).len()).unwrap_or_default();
    assert_eq!(in_table(), 1);

    echo.kill()?;
    until("the dead server was out", seconds(30), || in_table() == 0)?;
    assert!(ask().is_err(), "nobody serves");
    let _echo = serve(&server)?;
    until("the server was in again", seconds(30), || in_table() == 1)?;
    assert_eq!(eventually("the service answered again", seconds(20), ask)?, "192.168.1.51 said hello\n");
    daemon.stop(seconds(20))?;
    assert_eq!(in_table(), 0);
    lab.finish()
}
