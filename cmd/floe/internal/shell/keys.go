package shell

import (
	"bytes"
	"context"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// The editor takes each TAB for the wish to complete a word, and shows no TAB as one. One that is pasted belongs to a
// text, so it comes to the editor, and stands in its lines, as a sign that can be seen. Whoever types that sign has it in
// the lines as a code point that is no character.
const (
	tabSign  = '\u2409'
	typedTab = '\ufdd0'
)

var (
	toEditor   = strings.NewReplacer("\t", string(tabSign), string(tabSign), string(typedTab))
	fromEditor = strings.NewReplacer(string(tabSign), "\t", string(typedTab), string(tabSign))
)

// Terminals say where a paste begins and ends when they were asked to.
// See https://invisible-island.net/xterm/ctlseqs/ctlseqs.html#h2-Bracketed-Paste-Mode.
const (
	askForPastes = "\x1b[?2004h"
	endOfAsking  = "\x1b[?2004l"
	pasteBegins  = "\x1b[200~"
	pasteEnds    = "\x1b[201~"
)

// ctrlC is the key Ctrl-C.
const ctrlC = '\x03'

// nextKey is how soon after a key nobody presses another one: what comes sooner was pasted.
const nextKey = 40 * time.Millisecond

// copyKeys copies what a terminal sends for the editor, until in ends.
func copyKeys(out io.Writer, in io.Reader) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	chunks := readChunks(ctx, in)
	var k keys
	var rest []byte
	for {
		var soon <-chan time.Time
		if len(rest) > 0 {
			soon = time.After(nextKey)
		}
		var text []byte
		var err error
		select {
		case c := <-chunks:
			text, rest = k.take(append(rest, c.b...), c.err != nil)
			err = c.err
		case <-soon:
			text, rest = k.take(rest, true)
		}
		if len(text) > 0 {
			if _, writeErr := out.Write(text); writeErr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// keys knows what came before.
type keys struct {
	pasting bool
	ended   bool // with a carriage return
}

// take gives the editor's form of what came, and the rest that more may give a meaning to, unless all has come.
func (k *keys) take(in []byte, all bool) (out, rest []byte) {
	for len(in) > 0 {
		if !all && !decided(in) {
			return out, in
		}
		mark, n := markAt(in)
		ended := k.ended
		k.ended = in[0] == '\r'
		switch {
		case mark != "":
			k.pasting = mark == pasteBegins
		case in[0] == '\t' && (k.pasting || n < len(in)):
			out = utf8.AppendRune(out, tabSign)
		case in[0] == '\n' && ended: // one line end, not two
		case bytes.HasPrefix(in, []byte(string(tabSign))):
			out = utf8.AppendRune(out, typedTab)
		case !k.pasting || !isControl(in[0]):
			out = append(out, in[:n]...)
		case in[0] == ctrlC: // should the end of a paste be lost
			k.pasting = false
			out = append(out, in[0])
		}
		in = in[n:]
	}
	return out, nil
}

// decided tells whether it is known what the first character is, whatever comes behind.
func decided(in []byte) bool {
	if in[0] == '\t' {
		return len(in) > 1
	}
	for _, mark := range []string{pasteBegins, pasteEnds} {
		if len(in) < len(mark) && strings.HasPrefix(mark, string(in)) {
			return false
		}
	}
	return utf8.FullRune(in)
}

// markAt gives the mark of a paste that is at the beginning, and the length of it or of the first character.
func markAt(in []byte) (mark string, n int) {
	for _, mark := range []string{pasteBegins, pasteEnds} {
		if bytes.HasPrefix(in, []byte(mark)) {
			return mark, len(mark)
		}
	}
	_, n = utf8.DecodeRune(in)
	return "", n
}

// isControl tells the characters that are commands to the editor, and no part of a text.
func isControl(c byte) bool { return c < ' ' && c != '\r' && c != '\n' || c == 0x7f }
