package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/floedb/floe/engine"
)

// printColumn prints the first column of a query.
func printColumn(c *engine.Conn, sql string) {
	err := c.Query(context.Background(), sql, nil, func(s *engine.Stmt) error {
		fmt.Println(s.ColumnText(0))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}

func memory() *engine.Conn {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	return c
}

func ExampleConn_CreateFunction() {
	c := memory()
	defer c.Close()
	err := c.CreateFunction("shout", 1, engine.Deterministic, func(ctx *engine.FuncContext, args []engine.Value) error {
		if args[0].IsNull() {
			return nil // NULL
		}
		ctx.ResultText(strings.ToUpper(args[0].Text()) + "!")
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	printColumn(c, "SELECT shout('land ahoy')")
	// Output: LAND AHOY!
}

// product is an aggregate; with Inverse it would be a window function too.
type product struct{ value float64 }

func (p *product) Step(_ *engine.FuncContext, args []engine.Value) error {
	p.value *= args[0].Float()
	return nil
}

func (p *product) Value(ctx *engine.FuncContext) error {
	ctx.ResultFloat(p.value)
	return nil
}

func ExampleConn_CreateAggregate() {
	c := memory()
	defer c.Close()
	err := c.CreateAggregate("product", 1, 0, func() engine.Aggregate { return &product{value: 1} })
	if err != nil {
		log.Fatal(err)
	}
	printColumn(c, "SELECT product(column1) FROM (VALUES (2), (3), (7))")
	// Output: 42.0
}

// longest keeps the texts of its frame, so that it can give the first one back.
type longest struct{ frame []string }

func (l *longest) Step(_ *engine.FuncContext, args []engine.Value) error {
	l.frame = append(l.frame, args[0].Text())
	return nil
}

func (l *longest) Inverse(*engine.FuncContext, []engine.Value) error {
	l.frame = l.frame[1:]
	return nil
}

func (l *longest) Value(ctx *engine.FuncContext) error {
	longest := ""
	for _, text := range l.frame {
		if len(text) > len(longest) {
			longest = text
		}
	}
	ctx.ResultText(longest)
	return nil
}

func ExampleConn_CreateWindow() {
	c := memory()
	defer c.Close()
	if err := c.CreateWindow("longest", 1, 0, func() engine.Window { return new(longest) }); err != nil {
		log.Fatal(err)
	}
	printColumn(c, `SELECT longest(column1) OVER (ROWS 1 PRECEDING)
		FROM (VALUES ('elephant'), ('ant'), ('bear'), ('cat'))`)
	// Output:
	// elephant
	// elephant
	// bear
	// bear
}

func ExampleConn_CreateCollation() {
	c := memory()
	defer c.Close()
	err := c.CreateCollation("by_length", func(a, b []byte) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return bytes.Compare(a, b)
	})
	if err != nil {
		log.Fatal(err)
	}
	printColumn(c, "SELECT column1 FROM (VALUES ('ccc'), ('b'), ('aa')) ORDER BY column1 COLLATE by_length")
	// Output:
	// b
	// aa
	// ccc
}

func ExampleConn_LoadExtension() {
	// A package does this in its init function.
	err := engine.RegisterExtension("greeting", func(c *engine.Conn) error {
		return c.CreateFunction("greet", 1, engine.Deterministic,
			func(ctx *engine.FuncContext, args []engine.Value) error {
				ctx.ResultText("Hello, " + args[0].Text() + "!")
				return nil
			})
	})
	if err != nil {
		log.Fatal(err)
	}

	c := memory()
	defer c.Close()
	if err := c.EnableExtensions("greeting"); err != nil {
		log.Fatal(err)
	}
	if err := c.LoadExtension("greeting"); err != nil {
		log.Fatal(err)
	}
	printColumn(c, "SELECT greet('world')")
	// Output: Hello, world!
}
