//! Real servers: Debian's nginx and BIND, each of which answers with a name, so that a client sees who served it. Owns
//! their settings; never touches the settings or the services of this machine.

use std::time::Duration;

use crate::error::Result;
use crate::machine::Machine;
use crate::process::Process;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(30);

/// The name whose TXT record tells who answers.
pub const WHO: &str = "who.lab";

impl Machine {
    /// Starts a web server on port 80 whose every page says `name`, and waits until it listens.
    ///
    /// # Errors
    /// It does not start.
    pub fn serve_web(&self, name: &str) -> Result<Process> {
        self.serve_web_also(name, "")
    }

    /// The same with more directives of nginx for its server, for instance another port.
    ///
    /// # Errors
    /// It does not start.
    pub fn serve_web_also(&self, name: &str, more: &str) -> Result<Process> {
        let server = format!(
            "    listen 80;\n    listen [::]:80;\n    {more}\n    root /run/lab-web/pages;\n    location = / {{ return 200 \
             \"{name}\\n\"; }}\n"
        );
        self.serve_web_as("", &server)
    }

    /// Starts one worker of nginx with these directives for its server, behind those for all of it, and waits until it
    /// listens. Pages are in `/run/lab-web/pages`.
    ///
    /// # Errors
    /// It does not start.
    pub fn serve_web_as(&self, whole: &str, server: &str) -> Result<Process> {
        self.put("/run/lab-web/nginx.conf", web_settings(whole, server))?;
        let nginx = self.spawn(["nginx", "-c", "/run/lab-web/nginx.conf"])?;
        nginx.wait_for("start worker process ", START)?;
        Ok(nginx)
    }

    /// Starts a DNS server on port 53, UDP and TCP, whose TXT record for [`WHO`] says `name`, and waits until it
    /// serves.
    ///
    /// # Errors
    /// It does not start.
    pub fn serve_dns(&self, name: &str) -> Result<Process> {
        self.put("/etc/bind/lab.conf", DNS_SETTINGS)?;
        self.put("/etc/bind/lab.zone", dns_zone(name))?;
        self.run("mkdir -p /run/named")?;
        let named = self.spawn(["named", "-g", "-n", "1", "-c", "/etc/bind/lab.conf"])?;
        named.wait_for("running", START)?;
        Ok(named)
    }
}

fn web_settings(whole: &str, server: &str) -> String {
    format!(
        r"{whole}daemon off;
user root;
worker_processes 1;
pid /run/lab-web/nginx.pid;
error_log stderr notice;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path /run/lab-web/body;
  proxy_temp_path /run/lab-web/proxy;
  fastcgi_temp_path /run/lab-web/fastcgi;
  uwsgi_temp_path /run/lab-web/uwsgi;
  scgi_temp_path /run/lab-web/scgi;
  server {{
{server}  }}
}}
"
    )
}

/// Every path in it is one that Debian's AppArmor profile grants, where one is in force.
const DNS_SETTINGS: &str = r#"options {
  directory "/var/cache/bind";
  listen-on port 53 { any; };
  listen-on-v6 port 53 { any; };
  recursion no;
  dnssec-validation no;
  minimal-responses yes;
  pid-file none;
  session-keyfile "/run/named/session.key";
};
controls { };
zone "lab" { type primary; file "/etc/bind/lab.zone"; };
"#;

fn dns_zone(name: &str) -> String {
    format!("$TTL 1\n@ SOA lab. lab. 1 60 60 60 1\n@ NS lab.\n@ A 127.0.0.1\nwho TXT \"{name}\"\n")
}
