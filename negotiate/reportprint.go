package negotiate

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Print writes r for people: the diagnosis, a table of the endpoints, and for each
// endpoint that was tried what there is to know of it: how long each step took, on
// a scale that all of them share, TLS, the certificate, also one that was refused,
// and what the server offers. What others had a part in is legible, and no more:
// it has no control characters left in it.
//
// The layout may change; a program reads JSON. The error is that of w.
func (r *Report) Print(w io.Writer, t Terminal) error {
	p := newPage(t)
	p.report(r)
	_, err := io.WriteString(w, p.String())
	return err
}

func (p *page) report(r *Report) {
	headline := bad
	if _, ok := r.Chosen(); ok {
		headline = good
	}
	p.paragraph(headline, r.Diagnosis())
	p.line("")
	p.overview(r)
	if text := r.whyNot(); text != "" {
		p.line("")
		p.paragraph(warn, text)
	}
	for _, a := range r.Attempts {
		if a.Outcome != NotTried {
			p.line("")
			p.attempt(r, a)
		}
	}
}

// overview has a line for each endpoint, or two where the page is narrow.
func (p *page) overview(r *Report) {
	rows := [][]cell{{{faint, "endpoint", false}, {faint, "result", false}, {faint, "TLS", false}, {faint, "time", true}, {faint, "address", false}}}
	for _, a := range r.Attempts {
		rows = append(rows, r.row(a))
	}
	known := slices.ContainsFunc(r.Attempts, func(a Attempt) bool { return a.Address != "" })
	if known && p.table(rows) || p.table(withoutAddress(rows)) {
		return
	}
	for _, row := range rows[1:] {
		p.words("  ", 2, normal, []string{row[0].text})
		p.line("    " + p.styled(row[1].style, row[1].text) + "  " + row[2].text + "  " + row[3].text)
	}
}

// withoutAddress leaves the last column out; it is below as well.
func withoutAddress(rows [][]cell) [][]cell {
	narrow := make([][]cell, len(rows))
	for i, row := range rows {
		narrow[i] = row[:len(row)-1]
	}
	return narrow
}

func (r *Report) row(a Attempt) []cell {
	result, s := r.result(a)
	row := []cell{{normal, a.Endpoint.String(), false}, {s, result, false}, {text: "-"}, {text: "-", right: true}, {text: "-"}}
	if a.TLS != nil {
		row[2].text = tlsVersion(a)
	}
	if a.Outcome != NotTried {
		row[3].text = brief(a.Took)
	}
	if a.Address != "" {
		row[4].text = a.Address
	}
	return row
}

// tlsVersion is without the word, which stands over it or beside it.
func tlsVersion(a Attempt) string {
	return strings.TrimPrefix(tls.VersionName(a.TLS.Version), "TLS ")
}

// result says in a word or two what became of an attempt. What works is not much
// of a success where nothing is used.
func (r *Report) result(a Attempt) (text string, s style) {
	_, used := r.Chosen()
	switch {
	case a.Outcome == NotTried:
		return "not tried", faint
	case a.Outcome == Won && r.probe:
		return "would be used", good
	case a.Outcome == Won:
		return "used", good
	case a.ready && used:
		return "works too", good
	case a.ready:
		return "works, unused", warn
	case a.Outcome == Lost && !a.silent:
		return "not awaited", faint
	case a.Outcome == Fatal && len(r.Attempts) > 1 && classify(a.Err) != ended:
		return "fails, decides", bad
	}
	return "fails", bad
}

// whyNot explains why nothing is used though something works.
func (r *Report) whyNot() string {
	fatal := slices.IndexFunc(r.Attempts, func(a Attempt) bool { return a.Outcome == Fatal })
	if fatal < 0 || !slices.ContainsFunc(r.Attempts, func(a Attempt) bool { return a.ready }) {
		return ""
	}
	switch classify(r.Attempts[fatal].Err) {
	case certificate, injection:
		return "Nothing is used although something works: what went wrong may be an attack, and then the next port is no safer."
	case noSTARTTLS:
		return "Nothing is used although something works: where STARTTLS may have been taken away, only TLS from the first byte may follow."
	case authRefused:
		return "Nothing else is used although it works: a password that was refused is not shown to another port."
	default:
		return "Nothing is used although something works: no other port may follow this failure."
	}
}

func (p *page) attempt(r *Report, a Attempt) {
	p.heading(a.Endpoint.String())
	_, s := r.result(a)
	p.words("  ", 2, s, strings.Fields(clipped(a.Diagnosis(), maxText)))
	if len(a.Steps) > 0 {
		p.line("")
		p.waterfall(a.Steps, r.scale())
	}
	if a.Address == "" && a.Certificate() == nil {
		return
	}
	p.line("")
	p.field("address", normal, a.Address)
	if a.TLS != nil {
		p.field("TLS", normal, tlsVersion(a)+",", tls.CipherSuiteName(a.TLS.CipherSuite))
	}
	p.certificate(a.Certificate())
	p.offers(a)
}

// scale is when the last of all was over.
func (r *Report) scale() time.Duration {
	last := r.Took
	for _, a := range r.Attempts {
		last = max(last, a.Began+a.Took)
	}
	return max(last, 1)
}

// waterfall has a line for each step: when, how long, and both as a bar. The one
// that failed is marked.
func (p *page) waterfall(steps []Step, scale time.Duration) {
	const marks, phase, number = 2, 11, 9 // widths
	from := true
	room := p.width - (marks + phase + number + number + 4)
	if room < 16 {
		from, room = false, room+number
	}
	for _, s := range steps {
		mark, ink, st := "  ", p.ink.done, good
		if s.Err != nil {
			mark, ink, st = p.styled(bad, p.ink.mark)+" ", p.ink.failed, bad
		}
		line := mark + p.cell(cell{text: s.Phase.String()}, phase)
		if from {
			line += p.cell(cell{faint, brief(s.Began), true}, number)
		}
		line += p.cell(cell{normal, "+" + brief(s.Took), true}, number) + "  "
		at := func(d time.Duration) float64 { return float64(d) / float64(scale) }
		p.line(line + p.bar(st, ink, at(s.Began), at(s.Began+s.Took), room))
	}
}

func (p *page) certificate(c *x509.Certificate) {
	if c == nil {
		return
	}
	names := certificateNames(c)
	if len(names) == 0 {
		names = []string{"no host"}
	}
	p.field("certificate", normal, append([]string{"for"}, listed(names)...)...)
	p.field("issued by", normal, strings.Fields(clipped(c.Issuer.String(), maxItem))...)
	valid, s := lifetime(c, time.Now())
	p.field("valid", s, strings.Fields(valid)...)
}

// lifetime says from when until when c is valid, and how long that still is.
func lifetime(c *x509.Certificate, now time.Time) (text string, s style) {
	text = c.NotBefore.UTC().Format(time.DateOnly) + " to " + c.NotAfter.UTC().Format(time.DateOnly)
	left := c.NotAfter.Sub(now)
	days := counted(int(left.Abs()/day), "day")
	switch {
	case now.Before(c.NotBefore):
		return text + ", NOT YET VALID", bad
	case left < 0:
		return text + fmt.Sprintf(", EXPIRED %s ago", days), bad
	case left < soon:
		return text + fmt.Sprintf(", EXPIRES in %s", days), warn
	}
	return text + fmt.Sprintf(", %s left", days), normal
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// offers says what EHLO was answered with.
func (p *page) offers(a Attempt) {
	if len(a.Extensions) == 0 {
		return
	}
	if a.offersInClear() {
		p.field("EHLO", faint, append(strings.Fields("in cleartext, and not to be believed:"), listed(a.Extensions)...)...)
		return
	}
	mechanisms, size := listed(a.Mechanisms()), "not said"
	if len(mechanisms) == 0 {
		mechanisms = []string{"not", "offered"}
	}
	if n := a.MaxSize(); n > 0 {
		size = octets(n)
	}
	p.field("AUTH", normal, mechanisms...)
	p.field("size limit", normal, strings.Fields(size)...)
	p.field("EHLO", normal, listed(a.Extensions)...)
}

// A Terminal is what [Report.Print] prints on. The zero Terminal is none: a file,
// a pipe, or a log, that gets ASCII in lines of 80 columns.
type Terminal struct {
	Width   int  // in columns, of which 40 to 120 are used; 0 means 80
	Unicode bool // it shows more than ASCII
	Color   bool // it understands the colours of ECMA-48 ("ANSI")
}

// A page lays text out in lines of a width. Each text is made legible where it is
// taken in, so that nothing a server says does more to a terminal than be read.
type page struct {
	strings.Builder
	width int
	keep  func(rune) bool
	ink   ink
	color bool
}

// An ink is what bars and rules are drawn with.
type ink struct{ done, failed, edge, rule, mark string }

func newPage(t Terminal) *page {
	p := &page{width: min(max(t.Width, 40), 120), keep: isASCII, ink: ink{"=", "x", "|", "-", "!"}, color: t.Color}
	if t.Width <= 0 {
		p.width = 80
	}
	if t.Unicode {
		p.keep, p.ink = isNarrow, ink{"━", "╳", "│", "─", "✗"}
	}
	return p
}

// A style is a parameter of SGR (ECMA-48, section 8.3.117).
type style string

const (
	normal style = ""
	strong style = "1"
	faint  style = "2"
	bad    style = "31"
	good   style = "32"
	warn   style = "33"
)

func (p *page) styled(s style, text string) string {
	if !p.color || s == normal || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

func (p *page) text(s string) string { return legible(clipped(s, maxText), p.keep) }

func columns(s string) int { return utf8.RuneCountInString(s) }

// line ends without spaces.
func (p *page) line(s string) { p.WriteString(strings.TrimRight(s, " ") + "\n") }

// words writes words in as many lines as they need; the lines after the first are
// indented like it. What stands before the first is already in lead.
func (p *page) words(lead string, indent int, s style, words []string) {
	for i, text := range p.wrap(words, p.width-indent) {
		if i > 0 {
			lead = strings.Repeat(" ", indent)
		}
		p.line(lead + p.styled(s, text))
	}
}

// wrap makes lines of words, and breaks those that are longer than a line.
func (p *page) wrap(words []string, width int) (lines []string) {
	var now string
	for _, word := range words {
		word = p.text(word)
		if now != "" && columns(now)+1+columns(word) <= width {
			now += " " + word
			continue
		}
		if now != "" {
			lines = append(lines, now)
		}
		for now = word; columns(now) > width; {
			head, tail := cutColumns(now, width)
			lines, now = append(lines, head), tail
		}
	}
	if now != "" {
		lines = append(lines, now)
	}
	return lines
}

// cutColumns cuts s, which is wider, behind n columns.
func cutColumns(s string, n int) (head, tail string) {
	for i := range s {
		if n--; n < 0 {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

func (p *page) paragraph(s style, text string) {
	p.words("", 0, s, strings.Fields(text))
}

// heading is a text in a rule.
func (p *page) heading(text string) {
	text = p.text(text)
	lead := p.styled(faint, p.ink.rule+p.ink.rule) + " "
	if columns(text) > p.width-3 {
		p.words(lead, 3, strong, []string{text})
		return
	}
	rest := max(0, p.width-columns(text)-4)
	p.line(lead + p.styled(strong, text) + " " + p.styled(faint, strings.Repeat(p.ink.rule, rest)))
}

// labels is the width of the labels of fields.
const labels = 13

// field is a label and what stands beside it. Without words it is nothing.
func (p *page) field(label string, s style, words ...string) {
	lead := "  " + p.styled(faint, label) + strings.Repeat(" ", max(1, labels-len(label)))
	p.words(lead, 2+labels, s, words)
}

// listed are the words of an enumeration: an item is torn apart only if it is
// longer than a line. Of many items there are the first, and how many more.
func listed(items []string) []string {
	const first = 20 // servers have up to a dozen extensions, and most certificates fewer names
	more := len(items) - first
	words := eachClipped(items[:min(len(items), first)])
	for i := range words {
		if i < len(items)-1 {
			words[i] += ","
		}
	}
	if more > 0 {
		words = append(words, "…", "and", strconv.Itoa(more), "more")
	}
	return words
}

// A cell is a text in a table.
type cell struct {
	style
	text  string
	right bool // it is a number, and stands on the right of its column
}

// table writes rows of equal length in columns, or reports that they are too wide.
func (p *page) table(rows [][]cell) bool {
	widths := make([]int, len(rows[0]))
	total := 0
	for i := range widths {
		for _, row := range rows {
			widths[i] = max(widths[i], columns(p.text(row[i].text)))
		}
		total += 2 + widths[i]
	}
	if total > p.width {
		return false
	}
	for _, row := range rows {
		var line string
		for i, c := range row {
			line += "  " + p.cell(c, widths[i])
		}
		p.line(line)
	}
	return true
}

func (p *page) cell(c cell, width int) string {
	text := p.text(c.text)
	space := strings.Repeat(" ", max(0, width-columns(text)))
	if c.right {
		return space + p.styled(c.style, text)
	}
	return p.styled(c.style, text) + space
}

// bar draws a time from 0 to 1 on a scale of so many columns, and a moment too.
func (p *page) bar(s style, ink string, from, to float64, scale int) string {
	first := min(int(from*float64(scale)+0.5), scale-1)
	last := min(max(int(to*float64(scale)+0.5), first+1), scale)
	return p.styled(faint, p.ink.edge) + strings.Repeat(" ", first) +
		p.styled(s, strings.Repeat(ink, last-first)) + strings.Repeat(" ", scale-last) + p.styled(faint, p.ink.edge)
}
