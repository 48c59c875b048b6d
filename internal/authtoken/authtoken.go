// Package authtoken keeps the auth token of a client: one that stays, or what a source gives and gives anew. And it
// keeps the token out of what a client tells.
package authtoken

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Source gives a token.
type Source = func(context.Context) (string, error)

// Tokens keeps the current token. It may be used by several goroutines at once, of which one at a time asks the source.
type Tokens struct {
	source  Source        // nil for a token that stays
	lock    chan struct{} // has an element while current is used; a channel so that waiting can end early
	current string
	have    bool
}

// New keeps a token that stays, "" for none, or with a source that is not nil what the source gives.
func New(token string, source Source) *Tokens {
	t := &Tokens{source: source, lock: make(chan struct{}, 1)}
	if source == nil {
		t.current, t.have = token, true
	}
	return t
}

// Check refuses a token that no HTTP header can carry.
func Check(token string) error {
	if strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("the auth token holds characters that no HTTP header can carry")
	}
	return nil
}

// Get gives the current token, of the source when it was not asked before.
func (t *Tokens) Get(ctx context.Context) (string, error) {
	return t.other(ctx, func(string) bool { return false })
}

// Renew gives another token than one that the server refused, or the same one when there is no other. Of those who
// had the same one refused, the first asks the source and the others are given what it gave.
func (t *Tokens) Renew(ctx context.Context, refused string) (string, error) {
	return t.other(ctx, func(current string) bool { return t.source != nil && current == refused })
}

// other gives the current token, or one fresh from the source when there is none or outdated says so.
func (t *Tokens) other(ctx context.Context, outdated func(current string) bool) (string, error) {
	select {
	case t.lock <- struct{}{}:
	case <-ctx.Done():
		return "", fmt.Errorf("get an auth token: %w", ended(ctx))
	}
	defer func() { <-t.lock }()
	token := t.current
	if !t.have || outdated(token) {
		var err error
		if token, err = t.source(ctx); err != nil {
			return "", fmt.Errorf("get an auth token: %w", err)
		}
	}
	if err := Check(token); err != nil {
		return "", err
	}
	t.current, t.have = token, true
	return token, nil
}

// ended is the error of a context that has ended: its own, and the cause that it may have been given.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// Redact takes the token out of what a server or a proxy answered: some quote it.
func Redact(s, token string) string {
	if token == "" {
		return s
	}
	return strings.ReplaceAll(s, token, "[auth token]")
}
