package csv

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode/utf8"
)

// params are the parameters of a table.
type params struct {
	filename, data, schema string
	hasData, header        bool
	columns                int
	comma, comment         rune
}

// maxColumns is SQLite's own limit of columns in a table.
const maxColumns = 32767

func parseParams(args []string) (*params, error) {
	p := &params{comma: ','}
	seen := make(map[string]bool)
	for _, arg := range args {
		key, value, err := splitParam(arg)
		if err != nil {
			return nil, err
		}
		if key == "comma" {
			key = "delimiter"
		}
		if seen[key] {
			return nil, fmt.Errorf("csv: more than one %s=", key)
		}
		seen[key] = true
		if err := p.set(key, value); err != nil {
			return nil, err
		}
	}
	switch {
	case p.hasData == (p.filename != ""):
		return nil, fmt.Errorf("csv: one of filename= and data= is needed")
	case p.columns > 0 && p.schema != "":
		return nil, fmt.Errorf("csv: there is no use for columns= beside schema=")
	case p.comma == p.comment:
		return nil, fmt.Errorf("csv: delimiter and comment are the same")
	}
	return p, nil
}

func (p *params) set(key, value string) (err error) {
	switch key {
	case "filename":
		if p.filename = value; !fs.ValidPath(value) {
			err = fmt.Errorf("csv: filename=%q is not a name for a file", value)
		}
	case "data":
		p.data, p.hasData = value, true
	case "schema":
		if p.schema = value; value == "" {
			err = fmt.Errorf("csv: schema= is empty")
		}
	case "header":
		p.header, err = parseBool(value)
	case "columns":
		p.columns, err = parseColumns(value)
	case "delimiter":
		p.comma, err = parseRune(key, value)
	case "comment":
		p.comment, err = parseRune(key, value)
	default:
		err = fmt.Errorf("csv: unknown parameter %q", key)
	}
	return err
}

// splitParam takes key=value apart, and the quotes off the value.
func splitParam(arg string) (key, value string, err error) {
	key, value, given := strings.Cut(arg, "=")
	key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
	if !given && key == "header" {
		return key, "yes", nil
	}
	if !given {
		return "", "", fmt.Errorf("csv: parameter %q is not of the form key=value", arg)
	}
	if value == "" || value[0] != '\'' && value[0] != '"' {
		return key, value, nil
	}
	quote := value[:1]
	if len(value) < 2 || !strings.HasSuffix(value, quote) {
		return "", "", fmt.Errorf("csv: the value of %s= has no closing quote", key)
	}
	return key, strings.ReplaceAll(value[1:len(value)-1], quote+quote, quote), nil
}

func parseBool(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "yes", "on", "true", "1":
		return true, nil
	case "no", "off", "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("csv: header=%q is neither yes nor no", value)
}

func parseColumns(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxColumns {
		return 0, fmt.Errorf("csv: columns=%q is not a number from 1 to %d", value, maxColumns)
	}
	return n, nil
}

// parseRune takes a character that can stand between fields.
func parseRune(key, value string) (rune, error) {
	if value == `\t` {
		return '\t', nil
	}
	r, n := utf8.DecodeRuneInString(value)
	if n != len(value) || r == utf8.RuneError || strings.ContainsRune("\x00\"\r\n", r) {
		return 0, fmt.Errorf("csv: %s=%q is not one character, or one that means something else", key, value)
	}
	return r, nil
}
