//! Whether a packet filter lets VRRP in, by the text of its rules. A heuristic: it looks for rules that name the protocol,
//! and for chains that drop what no rule names.

/// What a rule set does with protocol 112.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Vrrp {
    /// Nothing is known that stands against it.
    Passes,
    /// A rule that names it drops it.
    Dropped(String),
    /// What comes in is dropped unless a rule says otherwise, and none does.
    Unnamed(String),
}

/// Looks through the output of `nft list ruleset` or `iptables-save`.
pub(super) fn vrrp(rules: &str) -> Vrrp {
    let names_it = |line: &str| {
        let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || ",{}".contains(c)).collect();
        let number = words.iter().position(|word| *word == "112");
        let before =
            |place: usize| place > 0 && words.iter().take(place).any(|word| word.contains("proto") || *word == "-p");
        words.contains(&"vrrp") || words.contains(&"carp") || number.is_some_and(before)
    };
    let drops = |line: &str| [" drop", " reject", "-j DROP", "-j REJECT"].iter().any(|word| line.contains(word));
    let accepts = |line: &str| line.contains(" accept") || line.contains("-j ACCEPT");
    let lines = || rules.lines().map(str::trim);
    if let Some(line) = lines().find(|line| names_it(line) && drops(line)) {
        return Vrrp::Dropped(line.to_owned());
    }
    if lines().any(|line| names_it(line) && accepts(line)) {
        return Vrrp::Passes;
    }
    let closed = lines()
        .find(|line| (line.contains("hook input") && line.contains("policy drop")) || line.starts_with(":INPUT DROP"));
    closed.map_or(Vrrp::Passes, |line| Vrrp::Unnamed(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_judged_by_the_rules_that_name_the_protocol_and_by_what_it_does_with_the_rest() {
        let chain = |policy: &str, rules: &str| {
            format!(
                "table inet filter {{\n chain input {{\n type filter hook input priority filter; policy {policy};\n{rules}\n }}\n}}\n"
            )
        };
        assert_eq!(vrrp(""), Vrrp::Passes);
        assert_eq!(vrrp(&chain("accept", "tcp dport 112 drop")), Vrrp::Passes, "a port is no protocol");
        assert_eq!(vrrp(&chain("drop", "ip protocol vrrp accept")), Vrrp::Passes);
        assert_eq!(vrrp(&chain("drop", "meta l4proto { icmp, 112 } accept")), Vrrp::Passes);
        assert!(matches!(vrrp(&chain("drop", "tcp dport 22 accept")), Vrrp::Unnamed(_)));
        assert_eq!(vrrp(&chain("accept", "ip protocol 112 drop")), Vrrp::Dropped("ip protocol 112 drop".to_owned()));
        assert_eq!(vrrp(":INPUT DROP [0:0]\n-A INPUT -p vrrp -j ACCEPT\n"), Vrrp::Passes);
        assert!(matches!(vrrp(":INPUT DROP [0:0]\n-A INPUT -p tcp -j ACCEPT\n"), Vrrp::Unnamed(_)));
        assert!(matches!(vrrp(":INPUT ACCEPT [0:0]\n-A INPUT -p 112 -j DROP\n"), Vrrp::Dropped(_)));
    }
}
