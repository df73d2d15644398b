// Package report writes what the attack battery, an audit of a configuration and
// a check of a host come to: a table for people, JSON, JUnit XML, SARIF 2.1.0, and
// one HTML file. Results are hostile text: a container chooses parts of them, and
// none of it may become markup, an escape sequence or a line of its own.
package report

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// Format is what a report is written as.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json"
	JUnit Format = "junit"
	SARIF Format = "sarif"
	HTML  Format = "html"
)

// Formats are all there are, as --format takes them.
func Formats() []string {
	return []string{string(Table), string(JSON), string(JUnit), string(SARIF), string(HTML)}
}

// ParseFormat reads the name of a format.
func ParseFormat(text string) (Format, error) {
	if slices.Contains(Formats(), text) {
		return Format(text), nil
	}
	return "", problem.New("it is one of "+strings.Join(Formats(), ", "), "%.40q is no format", text)
}

// Look is how a report is to look.
type Look struct {
	Format Format
	// Verbose, Colour and Width are the table's: every line with its evidence,
	// escape sequences of a terminal, and columns (0 is 100).
	Verbose, Colour bool
	Width           int
	// Version is the program's.
	Version string
}

// Document is what can be written: Attacks or Findings.
type Document interface {
	table(*page)
	json() any
	junit() suites
	sarif(version string) sarifLog
	html() (htmlPage, error)
}

// Write writes a document. Nothing is written before all of it is known.
func Write(w io.Writer, d Document, look Look) error {
	var out bytes.Buffer
	var err error
	switch look.Format {
	case Table, "":
		p := newPage(look)
		d.table(p)
		out.WriteString(p.out.String())
	case JSON:
		err = writeJSON(&out, d.json())
	case JUnit:
		err = writeJUnit(&out, d.junit())
	case SARIF:
		err = d.sarif(look.Version).Encode(&out)
	case HTML:
		err = writeHTML(&out, d, look.Version)
	default:
		_, err = ParseFormat(string(look.Format))
	}
	if err != nil {
		return err
	}
	_, err = out.WriteTo(w)
	return err
}
