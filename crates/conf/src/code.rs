//! The stable codes of all diagnostics, with class, keepalived's view of the same mistake, and an explanation.
//!
//! A code is never reused for another mistake. The thousands are by family: K00 files, K01 lines, K02 definitions,
//! K03 blocks, K04 keywords and values, K05 VRRP, K06 LVS, K07 scripts, K08 process-wide settings, K09 BFD, K10 two
//! directors side by side.

/// What a mistake does to start, reload and `-t`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// Ours alone: something worth knowing; changes nothing.
    Hint,
    /// Accepted, and not acted upon by this release.
    NotYet,
    /// An old spelling that still works.
    Deprecated,
    /// Goes on, perhaps not as meant.
    Warning,
    /// A script is unsafe and therefore disabled.
    Security,
    /// That statement is ignored, as keepalived does; start goes on, reload is refused.
    Dropped,
    /// No configuration can be made of it: start and reload are refused.
    Fatal,
}

impl Class {
    /// The word that heads a rendered diagnostic.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fatal | Self::Dropped => "error",
            Self::Security => "security",
            Self::Warning => "warning",
            Self::Deprecated => "deprecated",
            Self::NotYet => "not yet",
            Self::Hint => "hint",
        }
    }
}

/// How keepalived 2.4 ends `--config-test` for the same mistake.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// It says nothing, or only logs: status 0.
    Silent,
    /// An interface is missing: status 4, unless something else is wrong as well.
    Interface,
    /// Any other report: status 5.
    Report,
    /// Scripts are not secured, or an include under a check fails: status 6.
    Security,
    /// It stops reading at once: status 2.
    Parameter,
    /// Nothing could be read: status 4.
    NoFile,
    /// It gives up before it looks, and ends with status 0.
    GivesUp,
}

macro_rules! codes {
    ($($name:ident $code:literal $class:ident $verdict:ident $title:literal $explanation:literal)*) => {
        /// What a diagnostic is about, stable over releases.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as printed: `K` and four digits.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What the mistake does, unless a diagnostic says otherwise.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)* }
            }

            /// What keepalived makes of the same mistake.
            #[must_use]
            pub const fn verdict(self) -> Verdict {
                match self { $(Self::$name => Verdict::$verdict,)* }
            }

            /// The mistake in a phrase.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What it means and what to do, for `standfast explain`.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$name => $explanation,)* }
            }
        }
    };
}

codes! {
    NoMainFile "K0001" Fatal NoFile "the configuration file is missing"
        "The file named with -f, or /etc/keepalived/keepalived.conf without it, does not exist, or its pattern matches \
         nothing. Without a configuration there is nothing to run, so neither start nor test goes on."
    Unreadable "K0002" Fatal Security "a configuration file cannot be read"
        "The file exists but the system refuses to read it: look at its owner and mode, and at those of its directories."
    NotRegular "K0003" Fatal Security "a configuration file is not a regular file"
        "A directory, a pipe, a socket or a device was named where a file is wanted. Reading it could wait for ever, so it \
         is not tried."
    Executable "K0004" Fatal Security "a configuration file is executable"
        "keepalived refuses files with an execute bit, because a script that was included by mistake would be read as \
         configuration. Remove the bit with chmod a-x."
    FileTooLarge "K0005" Fatal Report "a configuration file is too large"
        "A file may have 64 MiB, and all files of one configuration 256 MiB together: enough for a million virtual servers. \
         A larger one is taken for a mistake (a log, a device, a dump)."
    IncludeLoop "K0006" Fatal Report "a file includes itself"
        "Following the include would never end: the file is already being read. Files may be nested 32 deep."
    IncludeNothing "K0007" Hint Silent "an include matches no file"
        "The pattern matches nothing, so nothing was included. keepalived only logs this; use includem or includew, or \
         include_check in global_defs, to make it an error."
    IncludeRefused "K0008" Fatal Security "an include fails its check"
        "The include was made with a check (includer, includem, includew, includeb, includea, include_check or -e), and \
         what the check asks for is not so. keepalived does not start in that case, nor do we."
    IncludeSkipped "K0009" Hint Silent "an included file is skipped"
        "The file cannot be read, is not a regular file, or is executable. A plain include goes on without it, as in \
         keepalived; includer makes it an error."
    SeveralMainFiles "K0010" Warning Report "several main files"
        "The name given with -f is a pattern that matches more than one file. They are read one after the other as if \
         they were one."
    TooManyMistakes "K0011" Hint Silent "not all mistakes are shown"
        "Only the first thousand mistakes are kept. The file is probably not a keepalived configuration."
    TooManyFiles "K0012" Fatal Report "too many files"
        "One configuration may read 10000 files. More are taken for a mistake in a pattern."

    NulByte "K0101" Dropped Report "a NUL byte in a line"
        "The line holds a byte 0, which no text has. It is ignored as a whole, as in keepalived. A file full of them is \
         UTF-16: save it as UTF-8."
    LineTooLong "K0102" Dropped Report "a line is too long"
        "A line may have 64 KiB. keepalived cuts at 1022 bytes and reads the rest as a line of its own; we drop the \
         whole line instead, because half a statement is worse than none."
    UnterminatedQuote "K0103" Dropped Report "a double quote is not closed"
        "A word that begins with a double quote ends with the next one on the same line. Without it the rest of the line \
         is lost, as in keepalived."
    ByteOrderMark "K0104" Warning Report "a byte order mark at the beginning of the file"
        "The file begins with the three bytes of a UTF-8 byte order mark, which editors of other systems add. keepalived \
         takes them for a part of the first keyword and ignores that line; we skip the mark. Save the file without it."
    Utf16 "K0105" Fatal Report "the file is UTF-16"
        "The file begins with a UTF-16 byte order mark, so every second byte is 0. Save it as UTF-8."
    ExpansionLimit "K0106" Fatal Report "definitions expand to too much"
        "Repetitions and definitions may give a million lines, and one line 64 KiB. A definition that refers to \
         itself, or a repetition inside another, exceeds that quickly."
    LongForKeepalived "K0107" Hint Silent "a line is longer than keepalived can read"
        "keepalived reads lines of at most 1022 bytes and splits longer ones. The line is good here, but not in a file \
         shared with keepalived."

    InvisibleIndent "K0108" Dropped Report "blanks that are none"
        "A line begins with no-break, ideographic or zero-width spaces, as pages and word processors make them. They look like \
         blanks and are letters, so that keepalived knows no such keyword and ignores the line. It is read here as it looks."

    UnknownDefinition "K0201" Dropped Report "a definition that does not exist"
        "${NAME} stands outside quotes and no definition of that name was made above it. Definitions take effect from \
         their own line on. The text is left as it is, and the statement will hardly do what was meant."
    MalformedDefinition "K0202" Dropped Report "not a definition"
        "A definition is $NAME=VALUE with nothing before the equals sign; NAME is made of letters, digits and underscores \
         and does not begin with a digit."
    SelfReference "K0203" Dropped Report "a definition refers to itself"
        "Replacing the name gives a text with the name in it again, without end. The line is dropped."
    BadSequence "K0204" Dropped Report "a ~SEQ that cannot be followed"
        "The form is ~SEQ(VAR, END), ~SEQ(VAR, START, END) or ~SEQ(VAR, START, STEP, END): with three numbers the middle \
         one is the step. The step must not be 0 and must lead towards the end; ~SEQx takes no negative numbers."
    BadList "K0205" Dropped Report "a ~LST that cannot be followed"
        "The form is ~LST(VAR, VALUE, ...) or ~LST({VAR, ...}, {VALUE, ...}, ...), and no set may have more values than \
         there are variables."
    BadParameter "K0206" Dropped Report "a predefined definition is used wrongly"
        "${_ENV NAME} needs the name of an environment variable; ${_RANDOM}, ${_RANDOM MIN} and ${_RANDOM MIN MAX} need \
         MIN not above MAX."

    InterruptedDefinition "K0207" Dropped Report "an empty line in a definition"
        "A definition of several lines goes on while its lines end in a backslash. For keepalived's processes an empty line, \
         or one that holds a comment alone, ends it, whatever the manual page says; what follows is then read as statements. \
         It is read on here, as it was meant, when the next line ends in a backslash."

    SurplusClose "K0301" Fatal Report "a closing brace too many"
        "No block is open that this brace could close. keepalived goes on at root level, which is rarely what was meant, \
         and starts with what it understood; we do not start."
    ClosedEarly "K0302" Fatal Report "a block is closed too early"
        "Statements that belong into a block stand behind its closing brace, so a brace before them is one too many: take \
         it out."
    NeverClosed "K0303" Fatal Report "a block is never closed"
        "The block's closing brace is missing. Where it should be is guessed from the keywords that follow and from \
         indentation."
    MissingOpen "K0304" Fatal Report "an opening brace is missing"
        "This keyword begins a block, so { must follow, on the same line or on a later one with nothing but comments \
         between."
    UnexpectedOpen "K0305" Fatal Report "an opening brace without a keyword"
        "A { stands where no block begins, so it is skipped with all that it encloses. Take it out, or write the keyword of \
         the block before it."
    NoBlockHere "K0306" Dropped Report "a keyword that has no block"
        "A { follows a keyword that takes values and no block. The block is skipped. keepalived reads its contents as if \
         they stood in the enclosing block, and takes the closing brace for the enclosing block's."
    ListParameters "K0307" Warning Report "words between a keyword and its list"
        "Nothing may stand between the keyword and the { of its list. The words are ignored."

    UnknownKeyword "K0401" Dropped Report "an unknown keyword"
        "No statement of this block begins with that word. The line is ignored, and a block that follows it as well. \
         Keywords are case sensitive and cannot be abbreviated."
    MissingParameter "K0402" Fatal Parameter "a keyword without its parameter"
        "The keyword needs a word behind it. keepalived stops at once with status 2; we read on to show further mistakes, \
         but do not start."
    SurplusParameter "K0403" Hint Silent "words that are not looked at"
        "The keyword takes fewer words than there are. keepalived ignores the rest silently, and so do we, after saying so. \
         Often quotes are missing."
    InvalidNumber "K0404" Dropped Report "not a number"
        "A number in decimal digits is wanted, without anything behind it; 010 is ten and 0x10 is nothing. The statement \
         is ignored."
    OutOfRange "K0405" Dropped Report "a number out of range"
        "The number is smaller or larger than the keyword allows. The statement is ignored."
    InvalidBoolean "K0406" Dropped Report "neither true nor false"
        "true, on, yes, false, off and no are understood, in lower case. The statement is ignored."
    InvalidChoice "K0407" Dropped Report "a word that is not offered"
        "The keyword takes one of a few words, and this is none of them. Case matters."
    InvalidAddress "K0408" Dropped Report "not an address"
        "A numeric IPv4 or IPv6 address is wanted; names are not looked up, an IPv4 number has no leading zero, and there \
         is no zone behind an IPv6 address."
    InvalidPrefix "K0409" Warning Report "a prefix length that cannot be"
        "The length behind the slash is 0 to 32 for IPv4 and 0 to 128 for IPv6; a dotted mask is not understood. The \
         address is used as a host address, as in keepalived."
    Truncated "K0410" Warning Report "a text is cut"
        "The text is longer than can be used, and only its beginning is."
    Repeated "K0411" Warning Report "a statement is repeated"
        "The statement can be made once, and only one of them counts."
    DeprecatedKeyword "K0412" Deprecated Report "an old keyword"
        "The keyword still works, but has another name now, or another place."
    RemovedKeyword "K0413" Deprecated Report "a keyword without function"
        "The keyword is understood and does nothing any more."
    NotYet "K0414" NotYet Silent "a keyword that is not acted upon yet"
        "The keyword is understood and its words are checked, but this release does not act upon it. Nothing else changes."
    FlagWithWord "K0415" Hint Silent "a flag with a word behind it"
        "The keyword is a flag: it is on when it is there, whatever stands behind it. `alpha off` turns alpha on, in \
         keepalived as here."
    InvalidName "K0416" Dropped Report "a name that cannot be"
        "The name is empty, too long, or holds characters that a name of this kind cannot have."
    Adjusted "K0417" Warning Report "a value is adjusted"
        "The value cannot be used as it is; the nearest that can be is taken, as in keepalived."
    AliasKeyword "K0418" Hint Silent "another spelling of a keyword"
        "The keyword has a newer name. Both work."
    EmptyList "K0419" Warning Report "an empty list"
        "The block has no entries, so it does nothing."

    MootKeyword "K0420" Hint Silent "a keyword that has nothing to do here"
        "The keyword is understood. What it is about does not exist here, or has no effect in keepalived either."

    NoVrid "K0501" Fatal Report "an instance without virtual_router_id"
        "Every vrrp_instance needs a virtual_router_id from 1 to 255, the same on all routers that share its addresses. \
         There is no default, and keepalived does not start either."
    NoInterface "K0502" Fatal Report "an instance without interface"
        "A vrrp_instance that sends multicast needs an interface to send on; one with unicast_peer can do without."
    MissingInterface "K0503" Fatal Interface "an interface that does not exist"
        "This host has no interface of that name. With dynamic_interfaces in global_defs it may appear later; without it \
         keepalived does not start, nor do we."
    DuplicateVrid "K0504" Fatal Report "a virtual_router_id used twice"
        "Two instances of one family on one interface have the same virtual_router_id, so neither could tell its \
         packets from the other's. Give one of them another number, on all of its routers."
    DuplicateInstance "K0505" Dropped Report "an instance defined twice"
        "A vrrp_instance of that name exists already. The second one is ignored as a whole, as in keepalived."
    DuplicateAddress "K0506" Dropped Report "an address listed twice"
        "The address is already in the list of this instance; the second entry is ignored."
    SharedAddress "K0507" Warning Silent "an address on two instances"
        "Two instances have the same virtual address. Whichever becomes BACKUP takes it away from the other. Leave it in \
         one of them. keepalived does not look for this."
    FamilyMismatch "K0508" Dropped Report "an address of another family"
        "The first address in virtual_ipaddress decides the family of the instance. Addresses of the other family belong \
         into virtual_ipaddress_excluded or into an instance of their own."
    UnknownMember "K0509" Dropped Report "a group names an instance that does not exist"
        "No vrrp_instance has that name. The member is ignored; a group without members is removed."
    GroupedTwice "K0510" Dropped Report "an instance in two groups"
        "An instance can be in one vrrp_sync_group. The first one keeps it."
    EmptyGroup "K0511" Warning Report "a group without members"
        "No member of the group exists, so the group is removed."
    LoneMember "K0512" Warning Report "a group with one member"
        "A vrrp_sync_group moves instances together, so one member alone needs none. Perhaps another member is missing."
    NoAddresses "K0513" Warning Report "an instance without addresses"
        "The instance has no virtual_ipaddress. Version 2 allows that, but such an instance serves nothing; \
         version 3 requires one."
    IntervalRounded "K0514" Warning Report "an interval that the version cannot say"
        "Version 2 sends whole seconds from 1 to 255, version 3 hundredths of a second from 0.01 to 40.95. The interval \
         is rounded as keepalived does."
    PasswordTruncated "K0515" Warning Report "a password longer than eight characters"
        "Authentication of version 2 carries eight octets. Only the first eight are used, in keepalived as here, so two \
         passwords that begin alike are the same."
    AuthenticationIgnored "K0516" Warning Report "authentication that the version does not have"
        "Version 3 has no authentication, and strict mode forbids it. The block is ignored."
    NoPassword "K0517" Warning Silent "authentication without a password"
        "auth_type is given and auth_pass is not, so every router that knows the type is believed. Say auth_pass, the same \
         on all routers."
    MasterWithNopreempt "K0518" Warning Report "nopreempt with state MASTER"
        "An instance that starts as MASTER takes over whatever nopreempt says, so nopreempt is ignored. Use state BACKUP on \
         both routers."
    TracksItself "K0519" Warning Report "an instance tracks its own interface"
        "The interface of an instance is always watched, unless dont_track_primary is given. The entry is ignored."
    VersionConflict "K0520" Warning Report "a version that the family does not have"
        "Version 2 carries IPv4 addresses only. An instance whose first address is IPv6 speaks version 3, whatever it says."
    OwnerNotMaster "K0521" Warning Silent "state and priority disagree"
        "Priority 255 says that this router owns the addresses and is always master; state BACKUP says otherwise. The \
         priority wins."
    PeerIgnored "K0522" Warning Report "unicast words without a peer"
        "unicast_src_ip or another unicast word is given, but no unicast_peer, so the instance uses \
         multicast. Name the other routers in unicast_peer, or leave the words out."
    TooManyAddresses "K0523" Fatal Report "more than 255 addresses in an instance"
        "An advertisement counts its addresses in one octet. Put the rest into virtual_ipaddress_excluded: they move \
         together with the others and are not advertised."
    UnknownTracker "K0524" Dropped Report "something tracked that is not defined"
        "No block of that name defines what is to be tracked. The entry is ignored."
    InvalidEntry "K0525" Dropped Report "an entry that cannot be understood"
        "A word of the entry is not one that entries of this list may have."
    DuplicateGroup "K0526" Dropped Report "a group defined twice"
        "A vrrp_sync_group of that name exists already. The second one is ignored as a whole, as in keepalived."
    PreemptDelayIgnored "K0527" Warning Report "a preempt_delay that cannot matter"
        "preempt_delay does nothing together with nopreempt, and nothing with state MASTER, which takes over at once. It is \
         ignored, as in keepalived."

    InvalidKey "K0528" Fatal Report "a key that is no key"
        "A key of auth_hmac has 32 to 64 octets, as text, as hex: and two digits for each, or in a file. Running without what was \
         asked for would be worse than not running."
    ReadableKey "K0529" Warning Security "a key that others can read"
        "The file with the key can be read by its group or by everybody. Whoever reads it can speak for this router."
    MissingPreference "K0530" Warning Report "a rule without a preference"
        "Rules are looked at in the order of their preferences. Without one, 16384 is used, and one less for each further \
         rule, as in keepalived."
    DuplicateName "K0531" Dropped Report "a name defined twice"
        "A block of that kind and name exists already. The second one is ignored as a whole, as in keepalived."
    NoScript "K0532" Dropped Report "a tracker without what it tracks"
        "A vrrp_script needs a script, a track_file a file and a vrrp_track_process a process. The block is removed."
    DefinedLater "K0533" Warning Report "something tracked that is defined further down"
        "keepalived knows only what is defined above, and ignores the entry. It is not ignored here; move the definition up \
         if the file is shared with keepalived."
    StrictMode "K0534" Warning Report "something that strict mode forbids"
        "vrrp_strict and strict_mode demand what RFC 9568 says, and adjust what does not comply, as in keepalived."
    StrictUnicast "K0535" Fatal Report "unicast in strict mode"
        "RFC 9568 knows no unicast, so an instance cannot be strict and have peers."
    WeightDropped "K0536" Warning Report "a weight that cannot count"
        "The address owner's priority never changes, and members of a sync group move together: weights of their trackers \
         mean nothing there. Trackers with weights are removed from owners and members as in keepalived; \
         sync_group_tracking_weight keeps those of members."
    IpvlanAddress "K0537" Warning Report "an ipvlan without an address"
        "An IPv4 instance on an ipvlan needs an address to send from, behind use_ipvlan. Without one it stays in FAULT."

    FutileWeight "K0538" Hint Silent "weights that cannot change the priority"
        "Weights are added to the priority and the sum is kept within 1 and 254. From 254 nothing goes up and from 1 nothing \
         goes down, so that losing what is tracked changes nothing, and no other router takes over for it. Choose a priority \
         with room in the direction of the weights."
    OwnerByDefault "K0539" Hint Silent "state MASTER without a priority"
        "Without priority an instance with state MASTER has 255, in keepalived as here: it owns the addresses, is always master \
         when it runs, and no weight of a tracker counts. Say priority, if that is not what is meant."

    WitnessPolicy "K0540" Fatal Silent "a witness without a policy"
        "What a standby does when a witness refuses or is silent, and what a master does that loses its lease, decides between no \
         master and two. There is no default for it: write need and unreachable, and lost where there is a lease."
    UnknownWitness "K0541" Fatal Silent "a witness that is not defined"
        "No witness block has that name. To run without the witness that was asked for could mean two masters one day."
    UselessWitness "K0542" Fatal Silent "a witness that cannot be asked"
        "A witness has one of ping, tcp and etcd; etcd needs an endpoint and a key, and its lease is for one instance or one \
         sync group. What it needs for TLS must be there: absolute paths of files that can be read."
    InsecureKey "K0543" Fatal Security "a key that others can change"
        "Whoever can write the file of a private key, or one of the directories that lead to it, can speak for this director. As \
         with scripts that root runs, only root may."

    NoCheckers "K0601" Hint Silent "a real server that is never checked"
        "The real server has no checker, so it stays in the table when it dies. TCP_CHECK is the least that notices."
    NoRealServers "K0602" Warning Report "a virtual server without real servers"
        "A virtual server needs a real_server. It is ignored, as in keepalived."
    DuplicateRealServer "K0603" Dropped Report "a real server listed twice"
        "Address and port are already in this virtual server. The second one is ignored."
    DuplicateVirtualServer "K0604" Warning Silent "a virtual server defined twice"
        "A virtual server with this address, port and protocol (or mark) exists already. The second one is ignored. keepalived \
         does not notice, and two pools then fight over one service."
    MissingSetting "K0605" Warning Report "a setting keepalived wants to be given"
        "The protocol (UDP), the scheduler (wlc) or the forwarding method (NAT) of a virtual server has a default that \
         keepalived reports when it uses it. Say what is meant."
    MixedFamilies "K0606" Dropped Report "a real server of another family"
        "Only tunnels carry packets of one family to a server of the other."
    PortMismatch "K0607" Warning Report "ports differ where they cannot"
        "Direct routing and tunnels hand packets on unchanged, so the real server's port is the virtual server's. The \
         latter is used."
    UnknownGroup "K0608" Dropped Report "a virtual_server_group that does not exist"
        "No virtual_server_group has that name. The virtual server is ignored."
    InvalidServer "K0609" Dropped Report "a server's address cannot be understood"
        "The address or the port of the block cannot be understood. The whole block is ignored, as in keepalived."
    QuorumAdjusted "K0610" Warning Report "a quorum that can never be reached"
        "The quorum is larger than the weights of all real servers together, or the hysteresis is not below the quorum. \
         They are reduced, as in keepalived."
    FlagNeedsScheduler "K0611" Dropped Report "a scheduler flag before its scheduler"
        "sh-port and sh-fallback need lb_algo sh above them, mh-port and mh-fallback need lb_algo mh."
    NeedsSorryServer "K0612" Dropped Report "sorry server words before the sorry server"
        "sorry_server_inhibit and sorry_server_lvs_method need sorry_server above them."
    CutAddress "K0613" Warning Silent "an address with something behind it"
        "A single address is wanted here. keepalived silently cuts what stands behind the first - or /, and uses the          address before it; so do we, after saying so. Ranges and prefixes belong into a virtual_server_group."
    ServiceAdjusted "K0614" Warning Report "a service that IPVS cannot have"
        "A service for every port must be persistent, one packet scheduling is for UDP and marks, and a mark has no \
         protocol. The statement is adjusted as in keepalived."
    UselessChecker "K0615" Dropped Report "a checker without what it checks"
        "HTTP_GET and SSL_GET need a url with a path, MISC_CHECK a misc_path, FILE_CHECK a track_file and BFD_CHECK a name. \
         The checker is removed."
    NoCheckPort "K0616" Warning Silent "a check of a port that is 0"
        "The virtual server is for every port, so the checker has none to connect to. Say connect_port."

    GranularityLength "K0617" Warning Silent "a length where keepalived reads a mask"
        "persistence_granularity of an IPv4 service is a dotted mask in keepalived, which reads a single number as an address: 24 \
         is 0.0.0.24 to it. Here it is the length that was meant."

    UnknownUser "K0701" Dropped Report "a user or group that does not exist"
        "This machine has no account of that name, so the script could not run as it. The statement is ignored. Often quotes are \
         missing: the words behind a script are user and group."
    MissingScript "K0702" Warning Report "a tracked script that cannot be run"
        "The program does not exist, is not executable, or cannot be reached by the user it would run as. The tracker is \
         disabled, as in keepalived."
    MissingNotify "K0703" Warning Silent "a notification or check that cannot be run"
        "The program does not exist, is not executable, or cannot be reached by the user it would run as. It is not run; \
         keepalived only logs this."
    InsecureScript "K0704" Security Report "a script that others can change"
        "The program, or a directory on its path, can be written by others than root, and it would run as root. With \
         enable_script_security it is therefore disabled."
    NoScriptSecurity "K0705" Security Security "scripts without script security"
        "Scripts run whatever their permissions are, because enable_script_security is not given in global_defs. Whoever can \
         change one of them can run commands as its user."
    NoScriptUser "K0706" Security Report "a script without a user"
        "With enable_script_security a script needs a user: an account keepalived_script, script_user, or one of its own. It \
         is not run as root instead."

    NoNotifyUser "K0707" Warning Silent "a user or group of a notification that does not exist"
        "This machine has no account of that name, so the script could not run as it and is not run. Often quotes are missing: the \
         words behind a script are user and group."

    WritableScript "K0708" Hint Silent "a script that others can change, and nobody asks"
        "The program, or a directory on its path, can be written by others than root, and it runs as root. Without \
         enable_script_security it is run all the same."

    NoFifo "K0801" Warning Silent "a reader without its FIFO"
        "A notify_fifo_script reads the pipe that notify_fifo names; without one it is not started."
    UnknownSyncInstance "K0802" Warning Silent "the sync daemon follows an instance that does not exist"
        "inst of lvs_sync_daemon names a vrrp_instance. Without it the sync daemon only receives."

    NoNamespace "K0803" Fatal GivesUp "a network namespace that does not exist"
        "net_namespace names a namespace that is not under /run/netns, so the daemon could not enter it and does not start. A \
         test shows what it finds in the text and says nothing about interfaces; it ends with status 0, as keepalived's \
         does, since the configuration is for another machine or another time."
    NoPeerKey "K0804" Fatal Silent "a peer without a key"
        "What directors tell each other is signed with peer_key, the same on all of them. Without it anybody could say that there \
         are two masters."
    NoNeighbor "K0901" Dropped Report "a BFD session without a neighbour"
        "A bfd_instance needs neighbor_ip. The session is removed."
    BfdAdjusted "K0902" Warning Report "BFD values that do not fit together"
        "source_ip is of the neighbour's family, max_hops is not above the TTL. What does not fit is left out."

    PairLoneInstance "K1001" Fatal Report "an instance that the other director does not have"
        "A virtual router needs an instance on both directors: same virtual_router_id, same family. Without it its addresses \
         disappear with the one director that has them."
    PairVrid "K1002" Fatal Report "another virtual_router_id on each director"
        "Routers know each other by the virtual_router_id. With different ones both become master, and the addresses are on \
         both directors. Write the same number on both."
    PairVersion "K1003" Fatal Report "another version or family on each director"
        "A router refuses advertisements of another version, so both become master, and the addresses are on both directors. \
         Say the same version on both, and begin virtual_ipaddress with an address of the same family."
    PairInterval "K1004" Fatal Report "another advert_int on each director"
        "In version 2 an advertisement with another interval is refused (RFC 3768 7.1), so both become master. In version 3 a \
         backup learns its master's interval, and the pair only changes its speed when the master changes."
    PairAuthentication "K1005" Fatal Report "authentication that does not fit"
        "An advertisement with another type, password or key is refused, so both become master. Only the first eight \
         characters of auth_pass count."
    PairAddresses "K1006" Fatal Report "other addresses on each director"
        "An advertisement that does not hold the addresses of virtual_ipaddress is refused (RFC 3768 7.1), and \
         after a takeover an address that only one director has is gone. virtual_ipaddress_excluded is not advertised, so \
         there only the second holds."
    PairAddressOrder "K1007" Warning Report "addresses in another order"
        "The order does not matter to us, nor to keepalived. Other implementations compare the lists as they are, and the first \
         address names the virtual router in logs and SNMP."
    PairPriority "K1008" Warning Report "the same priority on both directors"
        "With equal priorities the higher primary IP address decides between two masters, and no director takes back its role \
         when it returns. Give the one that should be master the higher priority."
    PairPreempt "K1009" Warning Report "nopreempt on one director only"
        "nopreempt keeps a returning router from taking over from a living master. It belongs on the director of higher \
         priority, where it matters; on both it is easier to understand."
    PairUnicast "K1010" Fatal Report "unicast peers that do not name each other"
        "Advertisements go to the addresses in unicast_peer and nowhere else. Each director must list the address the other \
         sends from (unicast_src_ip), and both must be unicast. Otherwise both become master."
    PairLoneService "K1011" Fatal Report "a virtual server that the other director does not have"
        "After a takeover the service would not be there: the address answers, and nobody listens."
    PairService "K1012" Warning Report "a virtual server that is not the same on both directors"
        "After a takeover clients would be served by another pool, in another way, or without their persistence. That can be meant; \
         mostly one file was forgotten."
    PairGroup "K1013" Warning Report "instances that move together on one director only"
        "A vrrp_sync_group keeps instances on the same director. If the other director does not know of it, its instances \
         change one by one, and traffic may come in through one director and leave through the other."
    PairEndless "K1014" Fatal Report "an election that may not end"
        "In version 3 a backup learns the interval of whom it hears. With higher_prio_send_advert a router that yields speaks once \
         more and teaches the others its own, shorter interval, with lower_prio_no_advert the better router does not answer \
         that, and where a third router listens it takes over before the master speaks again: in turns and for ever. Give all \
         routers the same advert_int, or leave one of the two options out."
    PairFutileWeight "K1015" Warning Report "trackers that never make the other director take over"
        "The director with the higher priority tracks something by weight, and even when all of it fails its priority is not below \
         the other's, or the other has nopreempt and does not look: it stays master while it is broken. Make the weights \
         larger than the difference of the priorities, without nopreempt, or track without weight, so that a failure is a \
         FAULT."
    PairLease "K1016" Fatal Report "a lease that both directors could hold"
        "A lease keeps a pair from two masters only if both ask the same store for the same key, and each under a name of its own. \
         Otherwise each gets its own lease, or takes over the other's as if it were its own."
    PairWitness "K1017" Warning Report "witnesses that are not the same on both directors"
        "When the directors are parted, each asks its own witnesses and follows its own policy. If those differ, both may take over, \
         or neither. That can be meant; mostly one file was forgotten."
    PairExchange "K1018" Fatal Report "peers that do not exchange their states"
        "Each director names the other as its peer, where the other listens, and both have the same peer_key. Otherwise what one says \
         is dropped by the other, and two masters that do not hear each other stay unnoticed."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_ordered_and_explained() {
        let ids: Vec<_> = Code::ALL.iter().map(|c| c.id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        for code in Code::ALL {
            assert!(code.explanation().len() > code.title().len(), "{}", code.id());
            assert!(code.explanation().ends_with('.'), "{}", code.id());
            let silent = matches!(code.class(), Class::Hint | Class::NotYet);
            assert!(!silent || code.verdict() == Verdict::Silent, "{} would end a test without a word", code.id());
        }
    }
}
