//! The page in Chromium: whether it fits a phone, a desk and a wall, in both themes, with 500 virtual servers. Needs
//! Debian's `chromium` and root, for a network of its own; the page is served as the daemon serves it.
//!
//! With `STANDFAST_SCREENSHOTS=DIRECTORY` pictures are left there, to be looked at.

use crate::fixture::Site;
use nix::sched::{CloneFlags, unshare};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      frame-src 'self'; base-uri 'none'";

/// A page around the page that measures it in a window of some width. It does not wait for the stream of events, which
/// never ends here.
const MEASURE: &str = "<!doctype html><body><script src=/measure.js></script>";
const MEASURE_SCRIPT: &str = "
const width = new URLSearchParams(location.search).get('width');
const frame = document.createElement('iframe');
frame.width = width; frame.height = 900; frame.src = '/';
frame.onload = () => setTimeout(() => {
  const page = frame.contentDocument, root = page.documentElement;
  const out = page.defaultView.innerWidth;
  const wide = [...page.querySelectorAll('body *')].filter((e) => {
    const box = e.getBoundingClientRect();
    return box.width > 0 && box.right > out + 0.5 && !e.closest('svg');
  }).map((e) => e.tagName + '.' + e.className + '#' + e.id);
  const filter = page.getElementById('filter');
  let shown = '';
  if (filter) {
    filter.value = '198.51.100.3:8443';
    filter.dispatchEvent(new Event('input'));
    shown = [...page.querySelectorAll('details.vs:not([hidden])')].map((e) => e.id).join(' ');
  }
  const small = [...page.querySelectorAll('main *')].filter((e) => e.childElementCount === 0 && e.textContent.trim()
    && parseFloat(page.defaultView.getComputedStyle(e).fontSize) < 11).length;
  document.body.dataset.found = JSON.stringify({ scroll: root.scrollWidth, inner: out, wide: wide.slice(0, 5), shown, small,
    js: root.className, paper: page.defaultView.getComputedStyle(page.body).backgroundColor });
}, 300);
document.body.append(frame);
";

/// Serves the page of a site at loopback, in the network of this thread.
fn serve(site: Site) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let page = site.document(true);
            std::thread::spawn(move || answer(stream, &page));
        }
    });
    address
}

fn answer(mut stream: TcpStream, page: &str) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    let path = first.split(' ').nth(1)?;
    let (kind, text) = match path.split('?').next()? {
        "/" => ("text/html; charset=utf-8", page),
        "/page.css" => ("text/css", standfast_page::STYLE),
        "/page.js" => ("text/javascript", standfast_page::SCRIPT),
        "/measure" => ("text/html", MEASURE),
        "/measure.js" => ("text/javascript", MEASURE_SCRIPT),
        "/events" => ("text/event-stream", "retry: 100000\n\nevent: nothing\ndata: 1\n\n"),
        _ => ("text/plain", ""),
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nContent-Security-Policy: {POLICY}\r\n\
         Connection: close\r\n\r\n{text}",
        text.len()
    )
    .ok()
}

struct Browser {
    home: PathBuf,
}

impl Browser {
    /// In a network of its own, with nothing in it but loopback.
    fn new(name: &str) -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network of its own needs root");
        assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
        let home = std::env::temp_dir().join(format!("standfast-page-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        Self { home }
    }

    fn run(&self, words: &[&str], url: &str) -> String {
        let output = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .args([
                "--no-first-run",
                "--disable-extensions",
                "--disable-background-networking",
                "--virtual-time-budget=5000",
            ])
            .arg(format!("--user-data-dir={}", self.home.display()))
            .args(words)
            .arg(url)
            .env("HOME", &self.home)
            .stdin(Stdio::null())
            .output()
            .expect("chromium is not installed: apt-get install chromium");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the page around the page has found at this width.
    fn measure(&self, address: SocketAddr, width: u32, words: &[&str]) -> serde_json::Value {
        let url = format!("http://{address}/measure?width={width}");
        let dom = self.run(&[words, &["--dump-dom", "--window-size=1600,1000"]].concat(), &url);
        let found = dom.split("data-found=\"").nth(1).expect("the page was not measured");
        serde_json::from_str(&found.split('"').next().unwrap().replace("&quot;", "\"")).unwrap()
    }

    /// A picture for who wants to look.
    fn picture(&self, address: SocketAddr, name: &str, size: &str, words: &[&str]) {
        let Ok(directory) = std::env::var("STANDFAST_SCREENSHOTS") else { return };
        let (place, size) = (format!("--screenshot={directory}/{name}.png"), format!("--window-size={size}"));
        self.run(&[words, &[place.as_str(), size.as_str()]].concat(), &format!("http://{address}/"));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

const DARK: &str = "--blink-settings=preferredColorScheme=0";
const LIGHT: &str = "--blink-settings=preferredColorScheme=1";

#[test]
fn the_page_fits_every_width_in_both_themes_with_500_virtual_servers() {
    let browser = Browser::new("many");
    let address = serve(Site::new(500));
    for (width, theme, paper) in [
        (390, LIGHT, "rgb(251, 251, 249)"),
        (390, DARK, "rgb(20, 23, 26)"),
        (800, LIGHT, "rgb(251, 251, 249)"),
        (1280, DARK, "rgb(20, 23, 26)"),
    ] {
        let found = browser.measure(address, width, &[theme]);
        assert_eq!(found["inner"], width, "{found}");
        assert!(found["scroll"].as_u64().unwrap() <= u64::from(width), "{width}: {found}");
        assert_eq!(found["wide"], serde_json::json!([]), "{width}: {found}");
        assert_eq!(found["shown"], "vs-TCP-198-51-100-3-8443", "the filter: {found}");
        assert_eq!(found["small"], 0, "{found}");
        assert_eq!((&found["js"], &found["paper"]), (&"js".into(), &paper.into()), "{found}");
    }
    browser.picture(address, "many-desk-light", "1280,2400", &[LIGHT]);
    browser.picture(address, "many-phone-dark", "500,2400", &[DARK]);
}

#[test]
fn a_small_site_fits_a_phone() {
    let browser = Browser::new("few");
    let address = serve(Site::new(8));
    let found = browser.measure(address, 360, &[LIGHT]);
    assert!(found["scroll"].as_u64().unwrap() <= 360, "{found}");
    assert_eq!(found["wide"], serde_json::json!([]), "{found}");
    browser.picture(address, "few-desk-light", "1280,1900", &[LIGHT]);
    browser.picture(address, "few-desk-dark", "1280,1900", &[DARK]);
    browser.picture(address, "few-phone-light", "500,3200", &[LIGHT]);
}
