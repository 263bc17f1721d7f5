# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_standfast_global_optspecs
    string join \n h/help V/version
end

function __fish_standfast_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_standfast_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_standfast_using_subcommand
    set -l cmd (__fish_standfast_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c standfast -n "__fish_standfast_needs_command" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_needs_command" -s V -l version -d 'Print version'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "status" -d 'Say how things are; the exit status is that of a monitoring plugin'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "watch" -d 'Show how things are and what happens, live in this terminal; ? lists the keys'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "events" -d 'List what has happened, in the words of the journal'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "why" -d 'Say what led to the last change of an instance or a server'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "stats" -d 'Print the counters of every instance, as keepalived does on SIGUSR2'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "reload" -d 'Read the configuration again, and say what came of it'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "plan" -d 'Say what a reload would change, and whether traffic would notice; change nothing. Status 0: nothing, 2: something, 1: it would be refused'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "switchover" -d 'Hand over to another director: stop being master here, and do not take it back before --undo or --for says so'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "maintenance" -d 'Take this director out of service (on): it gives up every address and takes none, also after a restart, until off'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "log-level" -d 'Make the log more or less detailed, until the daemon ends'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "ready" -d 'End drain, disable and weight: a real server serves again when its checks say so, with the configured weight'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "drain" -d 'Give a real server no new connections, and take it out when the last one has ended; ready puts it back'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "disable" -d 'Take a real server out of its services now; ready puts it back'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "weight" -d 'Give a real server another weight than the configured one, until ready'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "ipvs" -d 'List the kernel\'s table of virtual servers, as ipvsadm -Ln does'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "confirm" -d 'Keep the configuration that was reloaded with --confirm'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "upgrade" -d 'Replace the running daemon by the program that is now on the disk, without a failover'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "doctor" -d 'Look for what makes a pair fail in the field, with the reason and the command that mends it. Status 0: nothing but hints, 1: warnings, 2: problems'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "check" -d 'Say what is wrong with configurations, as `standfastd -t` would'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "explain" -d 'Explain a diagnostic code; without a code, list all of them'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "check-pair" -d 'Compare the configurations of two directors: what would keep them from being a pair'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "fmt" -d 'Format configuration files in place: one layout, the same meaning'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "config" -d 'Show configurations'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "keywords" -d 'List every keyword with its words, range and default'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "genhash" -d 'Print the digest of a page, for `digest` of a url: keepalived\'s genhash'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "completions" -d 'Print completions for a shell'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "man" -d 'Print a manual page'
complete -c standfast -n "__fish_standfast_using_subcommand status" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand status" -l json -d 'As JSON, for programs'
complete -c standfast -n "__fish_standfast_using_subcommand status" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand watch" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand watch" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand events" -s n -l last -d 'How many of the last ones' -r
complete -c standfast -n "__fish_standfast_using_subcommand events" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand events" -s f -l follow -d 'Do not end: print what happens from now on as well'
complete -c standfast -n "__fish_standfast_using_subcommand events" -l json -d 'As JSON, for programs: one object a line'
complete -c standfast -n "__fish_standfast_using_subcommand events" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand why" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand why" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand stats" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand stats" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand reload" -l confirm -d 'Go back to the configuration of now after so many seconds, unless `standfast confirm` keeps the new one' -r
complete -c standfast -n "__fish_standfast_using_subcommand reload" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand reload" -l force -d 'Reload even if statements of the file are wrong; those are ignored'
complete -c standfast -n "__fish_standfast_using_subcommand reload" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand plan" -l from -d 'Ask no daemon: compare with this configuration, as if it ran here as master with every server up' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand plan" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand plan" -l json -d 'As JSON, for programs'
complete -c standfast -n "__fish_standfast_using_subcommand plan" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand switchover" -l for -d 'End it by itself after so many seconds; by default not before --undo' -r
complete -c standfast -n "__fish_standfast_using_subcommand switchover" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand switchover" -l undo -d 'End a switchover: preempt again as configured'
complete -c standfast -n "__fish_standfast_using_subcommand switchover" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand maintenance" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand maintenance" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c standfast -n "__fish_standfast_using_subcommand log-level" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand log-level" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c standfast -n "__fish_standfast_using_subcommand ready" -l of -d 'Of this virtual server only: 192.0.2.1:80, or a firewall mark' -r
complete -c standfast -n "__fish_standfast_using_subcommand ready" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand ready" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand drain" -l of -d 'Of this virtual server only: 192.0.2.1:80, or a firewall mark' -r
complete -c standfast -n "__fish_standfast_using_subcommand drain" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand drain" -l within -d 'Take it out after so many seconds even if it has connections' -r
complete -c standfast -n "__fish_standfast_using_subcommand drain" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand disable" -l of -d 'Of this virtual server only: 192.0.2.1:80, or a firewall mark' -r
complete -c standfast -n "__fish_standfast_using_subcommand disable" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand disable" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand weight" -l of -d 'Of this virtual server only: 192.0.2.1:80, or a firewall mark' -r
complete -c standfast -n "__fish_standfast_using_subcommand weight" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand weight" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand ipvs" -l stats -d 'What has been counted, in full, as ipvsadm -Ln --stats --exact does'
complete -c standfast -n "__fish_standfast_using_subcommand ipvs" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand confirm" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand confirm" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand upgrade" -l socket -d 'The control socket of the daemon' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand upgrade" -l force -d 'Even if it is the program that runs already, or one that ignores statements of the configuration'
complete -c standfast -n "__fish_standfast_using_subcommand upgrade" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand doctor" -s c -l config -d 'The configuration that this machine is to run' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand doctor" -l json -d 'As JSON, for programs'
complete -c standfast -n "__fish_standfast_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand check" -l format -d 'How the diagnostics are written' -r -f -a "human\t'With source lines, for a person'
json\t'One object, for programs; see standfast(1)'
sarif\t'SARIF 2.1.0, for code review tools'"
complete -c standfast -n "__fish_standfast_using_subcommand check" -s i -l config-id -d 'Take the lines that begin with @ID; by default the host name up to its first dot' -r
complete -c standfast -n "__fish_standfast_using_subcommand check" -l strict -d 'Fail on anything that is reported, hints as well: status 0 only if there is nothing to report'
complete -c standfast -n "__fish_standfast_using_subcommand check" -s e -l all-config -d 'Every failed include is an error'
complete -c standfast -n "__fish_standfast_using_subcommand check" -l elsewhere -d 'The files are meant for another machine: every interface exists'
complete -c standfast -n "__fish_standfast_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c standfast -n "__fish_standfast_using_subcommand explain" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand check-pair" -l ids -d 'The two configuration ids, for files with @ID lines' -r
complete -c standfast -n "__fish_standfast_using_subcommand check-pair" -l format -d 'How the findings are written' -r -f -a "human\t'With source lines, for a person'
json\t'One object, for programs; see standfast(1)'
sarif\t'SARIF 2.1.0, for code review tools'"
complete -c standfast -n "__fish_standfast_using_subcommand check-pair" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c standfast -n "__fish_standfast_using_subcommand fmt" -l check -d 'Change nothing; status 1 and the name of each file that would change'
complete -c standfast -n "__fish_standfast_using_subcommand fmt" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand config; and not __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand config; and not __fish_seen_subcommand_from show" -f -a "show" -d 'Show a configuration with definitions, conditions, repetitions and includes expanded, and secrets masked'
complete -c standfast -n "__fish_standfast_using_subcommand config; and __fish_seen_subcommand_from show" -s i -l config-id -d 'Take the lines that begin with @ID; by default the host name up to its first dot' -r
complete -c standfast -n "__fish_standfast_using_subcommand config; and __fish_seen_subcommand_from show" -l origin -d 'Say of each line which file and line it came from'
complete -c standfast -n "__fish_standfast_using_subcommand config; and __fish_seen_subcommand_from show" -s e -l all-config -d 'Every failed include is an error'
complete -c standfast -n "__fish_standfast_using_subcommand config; and __fish_seen_subcommand_from show" -l elsewhere -d 'The files are meant for another machine: every interface exists'
complete -c standfast -n "__fish_standfast_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand keywords" -l coverage -d 'How many of keepalived\'s keywords are known and acted upon, block by block; with names compared to a table whose first column holds paths, if one is given' -r -F
complete -c standfast -n "__fish_standfast_using_subcommand keywords" -l json -d 'As JSON, for programs'
complete -c standfast -n "__fish_standfast_using_subcommand keywords" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand genhash" -s s -l server -d 'The server\'s address' -r
complete -c standfast -n "__fish_standfast_using_subcommand genhash" -s p -l port -d 'Its port' -r
complete -c standfast -n "__fish_standfast_using_subcommand genhash" -s u -l url -d 'The path of the page' -r
complete -c standfast -n "__fish_standfast_using_subcommand genhash" -s V -l use-virtualhost -d 'The Host header; by default address and port' -r
complete -c standfast -n "__fish_standfast_using_subcommand genhash" -s m -l fwmark -d 'Firewall mark of the packets' -r
complete -c standfast -n "__fish_standfast_using_subcommand genhash" -s P -l protocol -d 'HTTP version; 1.0c is 1.0 with Connection: close' -r -f -a "1.0\t'1.0'
1.0c\t'1.0 with `Connection: close`'
1.1\t'1.1 with `Connection: close`'"
complete -c standfast -n "__fish_standfast_using_subcommand genhash" -s t -l timeout -d 'Seconds for the connection, and again for the answer' -r
complete -c standfast -n "__fish_standfast_using_subcommand genhash" -s S -l use-ssl -d 'Over TLS'
complete -c standfast -n "__fish_standfast_using_subcommand genhash" -s I -l use-sni -d 'Show the virtual host in the TLS handshake'
complete -c standfast -n "__fish_standfast_using_subcommand genhash" -s v -l verbose -d 'Print the answer as well: its header, its body and what is digested of it'
complete -c standfast -n "__fish_standfast_using_subcommand genhash" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c standfast -n "__fish_standfast_using_subcommand completions" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
