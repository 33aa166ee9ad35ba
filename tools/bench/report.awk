# report.awk: the table and the JSON of `run`.
#
# Input is the list of cases; the file `data` has lines "ROUND KEY SIDE NANOSECONDS".  Exit status 1 if
# a case has no round in which both sides were measured.

# Sorts v[1..n] and returns its median, "" if there is none.
function median(v, n,    i, j, x) {
	for (i = 2; i <= n; i++) {
		x = v[i]
		for (j = i - 1; j > 0 && v[j] > x; j--)
			v[j + 1] = v[j]
		v[j + 1] = x
	}
	if (n == 0)
		return ""
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

# Median over rounds of a's figure divided by b's; `low` and `high` are the extremes.
function quotient(a, side_a, b, side_b,    r, n, v, m) {
	low = high = ""
	for (r = 1; r <= rounds; r++)
		if ((r, a, side_a) in ns && ns[r, b, side_b] > 0)
			v[++n] = ns[r, a, side_a] / ns[r, b, side_b]
	m = median(v, n)
	if (n) {
		low = v[1]
		high = v[n]
	}
	return m
}

function typical(key, side,    r, n, v) {
	for (r = 1; r <= rounds; r++)
		if ((r, key, side) in ns)
			v[++n] = ns[r, key, side]
	return median(v, n)
}

function shown(x) { return x == "" ? "-" : sprintf(x < 1000 ? "%.1f" : "%.0f", x) }
function times(x) { return x == "" ? "-" : sprintf(x < 10 ? "%.2f" : x < 100 ? "%.1f" : "%.0f", x) }
function number(x) { return x == "" ? "null" : sprintf("%.4g", x) }
function quoted(s) { gsub(/["\\]/, "\\\\&", s); return "\"" s "\"" }

BEGIN {
	while ((getline line < data) > 0) {
		split(line, f, " ")
		ns[f[1], f[2], f[3]] = f[4] + 0
	}
	printf "Time for one unit in ns and kernel/usysv, medians of up to %d rounds of %d ms, on %s,\n", rounds, ms, cpu
	printf "Linux %s, load at the end %s.  With \"(<= n)\" the target is the last column.\n\n", release, load
	layout = "%-32s %-11s %9s %9s %7s %13s %7s %-6s %s\n"
	printf layout, "case", "unit", "kernel", "usysv", "ratio", "range", "target", "", "usysv against another case"
	printf "{\n\t\"rounds\": %d,\n\t\"ms\": %d,\n\t\"cpu\": %s,\n\t\"linux\": %s,\n\t\"load\": %s,\n\t\"cases\": [", \
		rounds, ms, quoted(cpu), quoted(release), quoted(load) >json
}

{
	key = $1; unit = $2; target = $3 + 0; other = $4; limit = $5 + 0; title = $6
	kernel = typical(key, "kernel")
	usysv = typical(key, "usysv")
	ratio = quotient(key, "kernel", key, "usysv")
	first = low
	last = high
	against = other == "-" ? "" : quotient(key, "usysv", other, "usysv")
	verdict = ""
	if (ratio == "") {
		verdict = "failed"
		failed++
	} else if (target > 0 || (limit > 0 && against != "")) {
		met = (target == 0 || ratio >= target) && (limit == 0 || against == "" || against <= limit)
		verdict = met ? "ok" : "below"
		judged++
		good += met
	}
	note = against == "" ? "" : times(against) " x " other (limit > 0 ? sprintf(" (<= %g)", limit) : "")
	line = sprintf(layout, title, unit, shown(kernel), shown(usysv), times(ratio),
		ratio == "" ? "-" : times(first) ".." times(last), target > 0 ? sprintf("%g", target) : "-", verdict, note)
	sub(/ +\n$/, "\n", line)
	printf "%s", line
	printf "%s\n\t\t{\"key\": %s, \"title\": %s, \"unit\": %s, \"kernel_ns\": %s, \"usysv_ns\": %s, ", \
		(n_cases++ ? "," : ""), quoted(key), quoted(title), quoted(unit), number(kernel), number(usysv) >json
	printf "\"ratio\": %s, \"ratio_min\": %s, \"ratio_max\": %s, \"target\": %s, ", \
		number(ratio), number(first), number(last), (target > 0 ? target : "null") >json
	printf "\"other\": %s, \"other_times\": %s, \"other_times_max\": %s, \"verdict\": %s}", \
		(other == "-" ? "null" : quoted(other)), number(against), (limit > 0 ? limit : "null"), \
		(verdict == "" ? "null" : quoted(verdict)) >json
}

END {
	printf "\n\t]\n}\n" >json
	printf "\n%d of %d targets met%s; %d s\n", good, judged, failed ? sprintf(", %d failed", failed) : "", seconds
	exit failed > 0
}
