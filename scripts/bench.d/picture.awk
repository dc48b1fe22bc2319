# Draws a burst of clients as SVG: how many of them are launched, connected, served and lost over time.
#
#   LC_ALL=C awk -f picture.awk <TIMELINES >PICTURE.svg
#
# Reads lines of words that are apart by tabs.  Headers, in any place:
#   #machine   TEXT     where it was measured (may be left out)
#   #clients   N        how many came at once
#   #handlers  N        how many of them were served at once (may be left out)
# and points, of each program in order of time, the programs in the order of their panels:
#   PROGRAM    MS    LAUNCHED    CONNECTED    SERVED    LOST
# The counts are cumulative and hold until the next point.  Lost are clients that are connected and never
# get an answer.  The title says how the first program stands to the others.  The picture has one panel for each program,
# all with the same axis of time.  Input that is none of this is refused with one line, and status 1.
#
# It is POSIX awk, for mawk, gawk and busybox alike.

BEGIN {
    FS = "\t"
    programs = 0 # as many panels; name[1..programs], and by program and point:
                 # time[], count[..., WHAT]; points[] says how many
    failed = 0   # something has been said about the input

    width = 880
    margin = 24
    count_width = 48   # for how many clients the top of a panel means
    result_width = 100 # for what stands behind the end of a panel
    first_panel = 146  # where the panels begin

    overflow_note = "Steps: the program's listen queue is full, and the client's kernel tries again" \
        " a second later, and again."

    ink = "#1c2733"
    grey = "#5b6673"
    alarm = "#a33308"
    paper = "#fdfdfb"
    colour["unlaunched"] = "#e6e7e2"
    colour["unconnected"] = "#f2a765"
    colour["waiting"] = "#b4d5ea"
    colour["served"] = "#2a6a9b"
    colour["lost"] = "#b5302a"
}

$1 == "#machine" { machine = $2; next }
$1 == "#clients" { clients = $2 + 0; next }
$1 == "#handlers" { handlers = $2 + 0; next }

{
    if (is_point() && is_in_order()) {
        add_point()
    } else {
        refuse("line " NR ": " complaint)
        exit
    }
}

END {
    if (!failed && programs == 0) refuse("there is nothing to draw")
    if (!failed && clients == 0) refuse("#clients is missing")
    if (!failed) check_totals()
    if (failed) exit 1

    choose_layout()
    draw_head()
    draw_key()
    draw_axis()
    draw_panels()
    print "</svg>"
}

# ---- what is read ----

function refuse(why) {
    print "picture.awk: " why | "cat >&2"
    failed = 1
}

function is_number(text) { return text ~ /^[0-9]+(\.[0-9]*)?$/ }

function is_point() {
    complaint = "expected PROGRAM, MS, LAUNCHED, CONNECTED, SERVED and LOST, apart by tabs"
    return NF == 6 && $1 != "" && is_number($2) && is_number($3) && is_number($4) && is_number($5) \
        && is_number($6)
}

function is_in_order(    last) {
    last = points[$1]
    complaint = "time and counts may only grow"
    if (last && ($2 + 0 < time[$1, last] || $3 + 0 < count[$1, last, "launched"] \
        || $4 + 0 < count[$1, last, "connected"] || $5 + 0 < count[$1, last, "served"] \
        || $6 + 0 < count[$1, last, "lost"])) return 0
    complaint = "more clients connected than launched, or more served and lost than connected"
    return $4 + 0 <= $3 + 0 && $5 + $6 <= $4 + 0
}

# Besides the counts themselves, a point has those up to which areas are filled.
function add_point(    point) {
    if (!points[$1]) name[++programs] = $1
    point = ++points[$1]
    time[$1, point] = $2 + 0
    count[$1, point, "launched"] = $3 + 0
    count[$1, point, "connected"] = $4 + 0
    count[$1, point, "served"] = $5 + 0
    count[$1, point, "lost"] = $6 + 0
    count[$1, point, "waiting"] = $4 - $6
    count[$1, point, "unconnected"] = $3 - $6
}

function check_totals(    panel, program) {
    for (panel = 1; panel <= programs; panel++) {
        program = name[panel]
        if (total(program, "launched") > clients) {
            refuse(program ": more clients than #clients says")
            return
        }
    }
}

function total(program, what) { return count[program, points[program], what] }

# When the count reached what it was at last, in milliseconds.
function reached(program, what,    point) {
    for (point = points[program]; point > 1; point--) {
        if (count[program, point - 1, what] < total(program, what)) break
    }
    return time[program, point]
}

# When nothing more happened.
function finish(program,    latest) {
    latest = reached(program, "connected")
    if (reached(program, "served") > latest) latest = reached(program, "served")
    if (reached(program, "lost") > latest) latest = reached(program, "lost")
    return latest
}

# ---- where things are ----

function choose_layout(    panel, longest) {
    longest = 0
    for (panel = 1; panel <= programs; panel++) {
        end[panel] = finish(name[panel])
        if (length(name[panel]) > longest) longest = length(name[panel])
    }
    axis_end = choose_axis_end()

    name_width = between(150, 8.6 * longest, 200)
    left = margin + name_width + count_width
    right = width - margin - result_width
    panel_height = between(46, 340 / programs, 120)
    panel_pitch = panel_height + 16
    bottom = first_panel + programs * panel_pitch - 16
    height = bottom + (overflows() ? 84 : 61)
}

function between(least, value, most) {
    return value < least ? least : value > most ? most : value
}

# A program that takes very long must not squeeze the first into a corner: its panel is then torn off,
# and the axis ends soon after the last of the others.
function choose_axis_end(    panel, limit, most, most_within) {
    limit = 12 * end[1]
    most = most_within = 1
    for (panel = 1; panel <= programs; panel++) {
        if (end[panel] > most) most = end[panel]
        if (end[panel] > most_within && end[panel] <= limit) most_within = end[panel]
    }
    return limit == 0 || most <= limit ? most : between(limit / 3, 1.1 * most_within, limit)
}

# Whether somebody connected so late that the kernel must have tried again, which takes it a second.
function overflows(    panel) {
    for (panel = 1; panel <= programs; panel++) {
        if (reached(name[panel], "connected") >= 1000) return 1
    }
    return 0
}

function x_of(ms) { return left + (right - left) * ms / axis_end }
function y_of(panel, clients_so_far) {
    return first_panel + (panel - 1) * panel_pitch + panel_height * (1 - clients_so_far / clients)
}

# ---- words ----

function escape(text) {
    gsub(/[\001-\010\013-\037]/, "", text)
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    gsub(/>/, "\\&gt;", text)
    gsub(/"/, "\\&quot;", text)
    return text
}

function seconds(ms) {
    return sprintf(ms < 9995 ? "%.2f s" : ms < 99950 ? "%.1f s" : "%.0f s", ms / 1000)
}

# With commas between thousands.
function thousands(number,    rest, text) {
    text = ""
    for (rest = sprintf("%d", number); length(rest) > 3; rest = substr(rest, 1, length(rest) - 3)) {
        text = "," substr(rest, length(rest) - 2) text
    }
    return rest text
}

function never_served(program) { return clients - total(program, "served") }

# How those are called that were not served.
function fate(program) { return never_served(program) == total(program, "lost") ? "lost" : "never served" }

# How many were connected, or served, and when that was so.
function progress(program, what,    number) {
    number = total(program, what)
    if (number == 0) return "none " what
    return (number == clients ? "all" : thousands(number)) " " what " after " seconds(reached(program, what))
}

function describe(program) {
    return escape(program) ": " progress(program, "connected") ", " progress(program, "served") \
        (never_served(program) ? ", " thousands(never_served(program)) " " fate(program) "." : ".")
}

# ---- what is drawn ----

# Words of such a size that they need no more than so much room.
function fitted(size, words, room) {
    return sprintf(" style=\"font-size:%.1fpx\"", between(1, room / (0.6 * length(words) + 1), size))
}

function write(x, y, attributes, words) {
    printf "<text x=\"%.1f\" y=\"%.1f\"%s>%s</text>\n", x, y, attributes ? " " attributes : "", words
}

function rectangle(x, y, wide, high, fill) {
    printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", \
        x, y, wide, high, fill
}

# What the first program has done.
function heading() {
    return thousands(clients) " clients at once: " escape(name[1]) \
        (never_served(name[1]) ? " leaves " thousands(never_served(name[1])) " unserved" \
            : " serves all in " seconds(reached(name[1], "served")))
}

# What the others have done.
function comparison(    panel, least, most, worst, took, ending, text) {
    for (panel = 2; panel <= programs; panel++) {
        if (never_served(name[panel]) > worst) worst = never_served(name[panel])
        if (never_served(name[panel])) continue
        took = reached(name[panel], "served")
        if (least == "" || took < least) least = took
        if (took > most) most = took
    }
    if (programs < 2) return ""
    ending = programs == 2 ? "s " : " "
    text = least == "" ? "" : "take" ending seconds(least) (most > least ? " to " seconds(most) : "")
    if (worst) text = text (text == "" ? "" : ", or ") "leave" ending "up to " thousands(worst) " unserved"
    return (programs > 2 ? "Other programs " : "Another program ") text "."
}

function circumstances() {
    return (handlers ? "Each program runs at most " handlers " handlers at a time, if it has such a limit. " : "") \
        machine
}

function draw_style() {
    print "<style>"
    print "text { font: 12.5px system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;"
    print "    fill: " grey " }"
    print ".heading { font-size: 21px; font-weight: 600; fill: " ink " }"
    print ".name { font-size: 14px; fill: " ink " }"
    print ".result { font-size: 18px; font-weight: 600; fill: " ink " }"
    print ".ours { font-weight: 700 }"
    print ".alarm { fill: " alarm " }"
    # A rim, so that no line of the grid crosses them out.
    print ".result, .beside { stroke: " paper "; stroke-width: 4; stroke-linejoin: round;"
    print "    paint-order: stroke }"
    print ".end { text-anchor: end }"
    print ".middle { text-anchor: middle }"
    print "</style>"
}

function draw_head(    panel) {
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\"", width, height
    printf " width=\"%d\" height=\"%d\"", width, height
    print " role=\"img\" aria-labelledby=\"title description\">"
    print "<title id=\"title\">" heading() "</title>"
    print "<desc id=\"description\">"
    for (panel = 1; panel <= programs; panel++) print describe(name[panel])
    print "</desc>"
    draw_style()
    printf "<rect x=\"0.5\" y=\"0.5\" width=\"%d\" height=\"%d\" rx=\"8\"", width - 1, height - 1
    print " fill=\"" paper "\" stroke=\"#d8dbd9\"/>"
    write(margin, 42, "class=\"heading\"" fitted(21, heading(), width - 2 * margin), heading())
    write(margin, 65, "class=\"name\"" fitted(14, comparison(), width - 2 * margin), comparison())
    write(margin, 87, fitted(12.5, circumstances(), width - 2 * margin), escape(circumstances()))
}

# Returns where the next entry begins.
function draw_key_entry(x, what, words) {
    rectangle(x, 107, 14, 14, colour[what])
    write(x + 20, 119, "", words)
    return x + 20 + 6.3 * length(words) + 20
}

function draw_key(    x, panel, lost) {
    for (panel = 1; panel <= programs; panel++) lost += total(name[panel], "lost")
    x = draw_key_entry(margin, "unlaunched", "not yet launched by the client")
    x = draw_key_entry(x, "unconnected", "not yet connected")
    x = draw_key_entry(x, "waiting", "connected, waiting")
    x = draw_key_entry(x, "served", "served")
    if (lost) draw_key_entry(x, "lost", "connected, never served")
}

function tick_step(    step) {
    for (step = 1; axis_end / step > 10; step *= 10);
    return axis_end / step > 5 ? step : axis_end / step > 2 ? step / 2 : step / 5
}

function draw_axis(    ms, step, x) {
    step = tick_step()
    for (ms = 0; ms <= axis_end; ms += step) {
        x = x_of(ms)
        printf "<path d=\"M%.1f %.1fV%.1f\" stroke=\"#e3e5e2\"/>\n", x, first_panel, bottom + 5
        write(x, bottom + 20, "class=\"middle\"", ms / 1000 (ms == 0 ? "" : " s"))
    }
    write(left, bottom + 39, "", "time since the first client began to connect")
    write(left - 7, y_of(1, clients) + 9, "class=\"end\"", thousands(clients))
    write(left - 7, y_of(1, clients) + 23, "class=\"end\"", "clients")
    write(left - 7, y_of(1, 0), "class=\"end\"", "0")
    if (overflows()) write(margin, bottom + 62, "", overflow_note)
}

# Fills from below the counts down to none, until the panel's end.
function draw_area(panel, what) {
    trace(panel, what)
    thin()
    printf "<path fill=\"%s\" d=\"", colour[what]
    print_trace()
    printf "L%.1f %.1fH%.1fz\"/>\n", trace_x[traced], y_of(panel, 0), x_of(0)
}

# Fills from the top down.
function draw_lost(panel) {
    if (!total(name[panel], "lost")) return
    trace(panel, "lost")
    turn_round(panel)
    thin()
    printf "<path fill=\"%s\" d=\"", colour["lost"]
    print_trace()
    printf "L%.1f %.1fH%.1fz\"/>\n", trace_x[traced], y_of(panel, clients), x_of(0)
}

# Makes a line of counts from the top down.
function turn_round(panel,    corner) {
    for (corner = 1; corner <= traced; corner++)
        trace_y[corner] = y_of(panel, 0) + y_of(panel, clients) - trace_y[corner]
}

function draw_panels(    panel) {
    for (panel = 1; panel <= programs; panel++) draw_panel(panel)
}

function draw_panel(panel,    program, stop, middle) {
    program = name[panel]
    stop = x_of(end[panel] > axis_end ? axis_end : end[panel])
    rectangle(x_of(0), y_of(panel, clients), stop - x_of(0), panel_height, colour["unlaunched"])
    draw_lost(panel)
    draw_area(panel, "unconnected")
    draw_area(panel, "waiting")
    draw_area(panel, "served")
    if (end[panel] > axis_end) draw_tear(panel)
    printf "<path d=\"M%.1f %.1fH%.1f\" stroke=\"#9aa3ab\"/>\n", x_of(0), y_of(panel, 0), right

    middle = y_of(panel, clients / 2)
    write(margin, middle - 2, "class=\"name" (panel == 1 ? " ours" : "") "\"" fitted(14, program, name_width), \
        escape(program))
    write(margin, middle + 15, "", progress(program, "connected"))
    if (never_served(program)) {
        write(stop + 8, middle - 1, "class=\"result alarm\"", thousands(never_served(program)))
        write(stop + 8, middle + 15, "class=\"beside alarm\"", fate(program))
    } else {
        write(stop + 8, middle - 1, "class=\"result\"", seconds(reached(program, "served")))
        write(stop + 8, middle + 15, "class=\"beside\"", "all served")
    }
}

# The edge of a panel that goes on beyond the axis.
function draw_tear(panel,    y, step, tooth) {
    step = panel_height / 8
    y = y_of(panel, clients) - 1
    printf "<path fill=\"%s\" d=\"M%.1f %.1f", paper, right + 1, y
    for (tooth = 0; tooth <= 8; tooth++) printf "L%.1f %.1f", right - (tooth % 2 ? 6 : 0), y + tooth * step
    printf "V%.1fH%.1fz\"/>\n", y + panel_height + 2, right + 1
}

# ---- a count over time as a line: trace_x[1..traced], trace_y[] ----

# Steps, as the counts hold until the next point.
function trace(panel, what,    program, point, stop, x, y) {
    program = name[panel]
    stop = x_of(end[panel] > axis_end ? axis_end : end[panel])
    traced = 0
    y = y_of(panel, 0)
    add_corner(x_of(0), y)
    for (point = 1; point <= points[program]; point++) {
        x = x_of(time[program, point])
        if (x > stop) break
        add_corner(x, y)
        y = y_of(panel, count[program, point, what])
        add_corner(x, y)
    }
    add_corner(stop, y)
}

# Of all corners in a column a quarter of a pixel wide only the first and the last stay: that narrow, it
# does not matter where between them a line goes.
function add_corner(x, y,    column) {
    column = int(x * 4)
    if (traced < 2 || column != trace_column[traced] || column != trace_column[traced - 1]) traced++
    trace_column[traced] = column
    trace_x[traced] = x
    trace_y[traced] = y
}

# Marks in kept[] the corners without which the line would be off by a visible distance.  (Ramer, Douglas
# and Peucker, with the pieces still to be looked at on a stack.)
function thin(    from, to, top, far) {
    split("", kept)
    kept[1] = kept[traced] = 1
    top = 1
    piece_from[top] = 1
    piece_to[top] = traced
    while (top > 0) {
        from = piece_from[top]
        to = piece_to[top--]
        far = farthest(from, to)
        if (!far) continue
        kept[far] = 1
        piece_from[++top] = from
        piece_to[top] = far
        piece_from[++top] = far
        piece_to[top] = to
    }
}

# The corner between two others that is farthest from the line between them, or 0 if none is more than
# 0.3 pixels from it.  (All in squares, as there are awks without sqrt.)
function farthest(from, to,    corner, across, down, distance, most, found) {
    across = trace_x[to] - trace_x[from]
    down = trace_y[to] - trace_y[from]
    most = 0.3 * 0.3 * (across * across + down * down)
    found = 0
    for (corner = from + 1; corner < to; corner++) {
        distance = across * (trace_y[corner] - trace_y[from]) - down * (trace_x[corner] - trace_x[from])
        if (distance * distance > most) {
            most = distance * distance
            found = corner
        }
    }
    return found
}

function print_trace(    corner) {
    for (corner = 1; corner <= traced; corner++) {
        if (corner in kept) printf "%s%.1f %.1f", corner == 1 ? "M" : "L", trace_x[corner], trace_y[corner]
    }
}
