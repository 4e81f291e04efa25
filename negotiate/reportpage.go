package negotiate

import (
	"strings"
	"unicode/utf8"
)

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

func (p *page) text(s string) string { return legible(s, p.keep) }

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
// longer than a line.
func listed(items []string) []string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = item
		if i < len(items)-1 {
			words[i] += ","
		}
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
