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
complete -c standfast -n "__fish_standfast_needs_command" -f -a "check" -d 'Say what is wrong with configurations, as `standfastd -t` would'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "explain" -d 'Explain a diagnostic code; without a code, list all of them'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "check-pair" -d 'Compare the configurations of two directors: what would keep them from being a pair'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "fmt" -d 'Lay a configuration file out in the one way, without changing what it means'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "config" -d 'Show configurations'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "keywords" -d 'List every keyword with its words, range and default'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "completions" -d 'Print completions for a shell'
complete -c standfast -n "__fish_standfast_needs_command" -f -a "man" -d 'Print a manual page'
complete -c standfast -n "__fish_standfast_using_subcommand check" -l format -d 'How the diagnostics are written' -r -f -a "human\t'With source lines, for a person'
json\t'For programs; see standfast(1)'
sarif\t'SARIF 2.1.0, for code review tools'"
complete -c standfast -n "__fish_standfast_using_subcommand check" -s i -l config-id -d 'Take the lines that begin with @ID; by default the host name up to its first dot' -r
complete -c standfast -n "__fish_standfast_using_subcommand check" -l strict -d 'Anything said is fatal, hints as well: the status is 0 only if there is nothing to say'
complete -c standfast -n "__fish_standfast_using_subcommand check" -s e -l all-config -d 'Every failed include is an error'
complete -c standfast -n "__fish_standfast_using_subcommand check" -l elsewhere -d 'The files are meant for another machine: every interface exists'
complete -c standfast -n "__fish_standfast_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c standfast -n "__fish_standfast_using_subcommand explain" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand check-pair" -l ids -d 'The two configuration ids, for files with @ID lines' -r
complete -c standfast -n "__fish_standfast_using_subcommand check-pair" -l format -d 'How the findings are written' -r -f -a "human\t'With source lines, for a person'
json\t'For programs; see standfast(1)'
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
complete -c standfast -n "__fish_standfast_using_subcommand keywords" -l json -d 'For programs'
complete -c standfast -n "__fish_standfast_using_subcommand keywords" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand completions" -s h -l help -d 'Print help'
complete -c standfast -n "__fish_standfast_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
