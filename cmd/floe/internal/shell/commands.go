package shell

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/floedb/floe/internal/nearest"
)

// argKind is what an argument of a command is, for completion.
type argKind uint8

const (
	argNothing argKind = iota
	argFile
	argTable
	argOnOff
	argMode
	argCommand
)

// command is a dot command.
type command struct {
	name    string
	aliases []string
	args    string // how its arguments are called
	summary string // one line
	more    string // further lines of its help
	inFull  bool   // the beginning of its name does not do, as what it does cannot be undone
	kinds   []argKind
	min     int
	max     int // arguments; -1 for any number
	run     func(sh *Shell, ctx context.Context, args []string) error
}

// commandTable has the commands in the order of the alphabet.
func commandTable() []command {
	list := slices.Concat(outputCommands, schemaCommands, dataCommands, databaseCommands, shellCommands)
	slices.SortFunc(list, func(a, b command) int { return cmp.Compare(a.name, b.name) })
	return list
}

var shellCommands = []command{
	{name: "help", args: "[COMMAND]", summary: "tell what the commands do", kinds: []argKind{argCommand}, max: 1, run: (*Shell).help},
	{name: "quit", aliases: []string{"exit"}, summary: "leave the shell; so does Ctrl-D", run: (*Shell).quit},
}

// command runs a dot command.
func (sh *Shell) command(ctx context.Context, text string) error {
	words, err := splitWords(text)
	if err != nil {
		return err
	}
	c, err := sh.find(words[0])
	if err != nil {
		return err
	}
	args := words[1:]
	if len(args) < c.min || c.max >= 0 && len(args) > c.max {
		return fmt.Errorf("usage: %s", c.usage())
	}
	return errors.Join(c.run(sh, ctx, args), sh.out.Flush())
}

func (c *command) usage() string { return strings.TrimSpace("." + c.name + " " + c.args) }

// find gives the command of a name with its dot, or of a beginning of one that no other shares, where that will do.
func (sh *Shell) find(word string) (*command, error) {
	name := strings.ToLower(strings.TrimPrefix(word, "."))
	var begun []*command
	for i := range sh.commands {
		c := &sh.commands[i]
		if c.name == name || slices.Contains(c.aliases, name) {
			return c, nil
		}
		if name != "" && strings.HasPrefix(c.name, name) {
			begun = append(begun, c)
		}
	}
	if len(begun) == 1 && begun[0].inFull {
		return nil, fmt.Errorf("unknown command %s: .%s has to be typed in full", word, begun[0].name)
	}
	if len(begun) == 1 {
		return begun[0], nil
	}
	return nil, fmt.Errorf("unknown command %s: did you mean .%s? .help lists all", word, nearest.Word(name, sh.commandNames()))
}

func (sh *Shell) commandNames() (names []string) {
	for _, c := range sh.commands {
		names = append(names, c.name)
		names = append(names, c.aliases...)
	}
	return names
}

// splitWords splits the text of a command at blanks. Quotes keep blanks, and are doubled to stand for themselves.
func splitWords(text string) (words []string, err error) {
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return words, nil
		}
		var word string
		if text[0] == '\'' || text[0] == '"' {
			if word, text, err = quotedWord(text); err != nil {
				return nil, err
			}
		} else {
			end := strings.IndexAny(text, " \t\r\n")
			if end < 0 {
				end = len(text)
			}
			word, text = text[:end], text[end:]
		}
		words = append(words, word)
	}
}

func quotedWord(text string) (word, rest string, err error) {
	quote := text[:1]
	var b strings.Builder
	for rest = text[1:]; ; {
		end := strings.Index(rest, quote)
		if end < 0 {
			return "", "", fmt.Errorf("there is no second %s", quote)
		}
		b.WriteString(rest[:end])
		rest = rest[end+1:]
		if !strings.HasPrefix(rest, quote) {
			return b.String(), rest, nil
		}
		b.WriteString(quote)
		rest = rest[1:]
	}
}

// onOff reads an argument that turns something on or off.
func onOff(word string) (bool, error) {
	switch strings.ToLower(word) {
	case "on", "yes", "true", "1":
		return true, nil
	case "off", "no", "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither on nor off", word)
}

func (sh *Shell) help(_ context.Context, args []string) error {
	if len(args) == 1 {
		c, err := sh.find(args[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "%s\n  %s\n", c.usage(), c.summary)
		if c.more != "" {
			fmt.Fprintf(sh.out, "\n%s\n", c.more)
		}
		return nil
	}
	widest := 0
	for i := range sh.commands {
		widest = max(widest, len(sh.commands[i].usage()))
	}
	for i := range sh.commands {
		c := &sh.commands[i]
		fmt.Fprintf(sh.out, "%-*s  %s\n", widest, c.usage(), c.summary)
	}
	return nil
}

func (sh *Shell) quit(context.Context, []string) error {
	sh.leave = true
	return nil
}
