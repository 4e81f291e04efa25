package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A table is a result, ready to be shown.
type table struct {
	title string
	head  []string
	rows  [][]string
	notes []string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// markdown returns t as a table of Markdown.
func (t *table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n", t.title)
	align := make([]string, len(t.head))
	for i := range align {
		align[i] = "---:"
	}
	align[0] = "---"
	for _, row := range append([][]string{t.head, align}, t.rows...) {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	if len(t.notes) > 0 {
		b.WriteString("\n" + strings.Join(t.notes, "\n") + "\n")
	}
	return b.String()
}

// text returns t for a terminal.
func (t *table) text() string {
	var b strings.Builder
	rule := strings.Repeat("-", utf8.RuneCountInString(t.title))
	fmt.Fprintf(&b, "\n%s\n%s\n", t.title, rule)
	rows := append([][]string{t.head}, t.rows...)
	width := make([]int, len(t.head))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString(cell + space)
			} else {
				line.WriteString("  " + space + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	for _, note := range t.notes {
		b.WriteString(note + "\n")
	}
	return b.String()
}

const none = "-"

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// took shows a time with three digits or so.
func took(s seconds) string {
	switch {
	case math.IsNaN(s):
		return none
	case s >= 1:
		return digits(s) + " s"
	case s >= 1e-3:
		return digits(s*1e3) + " ms"
	}
	return digits(s*1e6) + " µs"
}

// digits shows a number with three digits, or more if it is large.
func digits(x float64) string {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return none
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func times(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return none
	}
	return digits(x) + " x"
}

func mebibytes(n float64) string {
	if math.IsNaN(n) {
		return none
	}
	return fmt.Sprintf("%.1f MiB", n/(1<<20))
}

func roundTrips(s seconds, rtt time.Duration) string {
	x := s / rtt.Seconds()
	if x < 0.1 {
		return fmt.Sprintf("%.4f", x)
	}
	return digits(x)
}
