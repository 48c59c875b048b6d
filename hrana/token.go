package hrana

import (
	"context"
	"fmt"
	"strings"
)

// tokens keeps the current auth token.
type tokens struct {
	source  func(context.Context) (string, error) // nil when there is no token
	rotates bool
	lock    chan struct{} // has an element while a goroutine is inside; a channel so that waiting can end early
	current string
	have    bool
}

func newTokens(c *config) *tokens {
	return &tokens{source: c.token, rotates: c.rotates, lock: make(chan struct{}, 1)}
}

// get gives the current token.
func (t *tokens) get(ctx context.Context) (string, error) {
	return t.other(ctx, func(string) bool { return false })
}

// renew gives another token than one that the server refused. It is the same one when there is no other.
func (t *tokens) renew(ctx context.Context, refused string) (string, error) {
	return t.other(ctx, func(current string) bool { return t.rotates && current == refused })
}

// other gives the current token, or one fresh from the source when there is none or outdated says so.
func (t *tokens) other(ctx context.Context, outdated func(current string) bool) (string, error) {
	if t.source == nil {
		return "", nil
	}
	select {
	case t.lock <- struct{}{}:
	case <-ctx.Done():
		return "", ended(ctx)
	}
	defer func() { <-t.lock }()
	if t.have && !outdated(t.current) {
		return t.current, nil
	}
	token, err := t.source(ctx)
	if err != nil {
		return "", fmt.Errorf("get an auth token: %w", err)
	}
	t.current, t.have = token, true
	return token, nil
}

// redact takes the token out of what a server answered, which some quote.
func redact(s, token string) string {
	if token == "" {
		return s
	}
	return strings.ReplaceAll(s, token, "[auth token]")
}
