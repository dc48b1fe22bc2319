# Counts the system calls per connection in what strace -f has written.
#
#   awk -v drive=NAME -v clients=N -v supervisor=PROCESS -v dispatchers="PROCESS ..." -f guard-calls.awk TRACE
#
# Prints "figure NAME VALUE" for each kind of process, and "call NAME CALL VALUE" for what it is made of.
# The children of dispatchers count up to their execve: what comes then is the handler's own.
#
# Nor is what depends on the machine: whether the time and the processor are told without a system call
# (vdso(7)), and whether there is a choice of processors.

function kind(process)
{
    if (process == supervisor)
        return "supervisor"
    return process in is_dispatcher ? "dispatchers" : "start"
}

function count(process, call,    name)
{
    if (call in left_out)
        return
    name = kind(process)
    if (name == "start" && process in executed)
        return
    if (call == "execve")
        executed[process] = 1
    name = drive "-" name "-calls"
    total[name]++
    calls[name " " call]++
}

BEGIN {
    split(dispatchers, processes, " ")
    for (i in processes)
        is_dispatcher[processes[i]] = 1
    split("clock_gettime", names, " ")
    for (i in names)
        left_out[names[i]] = 1
}

# Not calls: signals, ends of processes.
$2 ~ /^(---|\+\+\+)/ { next }

# What tracing and stopping interrupt is made again, and counts then.
/ERESTART|= -1 EINTR/ { next }

# It counts when it has ended, and only a child's execve and exit do not come back to where they began.
/<unfinished \.\.\.>$/ && $2 !~ /^execve\(/ { next }
/ resumed>/ { if ($3 != "execve") count($1, $3 == "restart_syscall" ? "poll" : $3); next }

{
    sub(/\(.*/, "", $2)
    count($1, $2 == "restart_syscall" ? "poll" : $2)
}

END {
    for (name in total)
        printf "figure %s %.2f\n", name, total[name] / clients
    for (name in calls)
        printf "call %s %.2f\n", name, calls[name] / clients
}
