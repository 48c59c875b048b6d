package replicator

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// authTokens keeps the current auth token. It may be used by several goroutines at
// once, of which one at a time asks the source.
type authTokens struct {
	source  func(context.Context) (string, error) // nil for a token that stays
	lock    chan struct{}                         // has an element while current is used; a channel so that waiting can end early
	current string
	have    bool
}

func newAuthTokens(r Remote) (*authTokens, error) {
	t := &authTokens{source: r.TokenSource, lock: make(chan struct{}, 1)}
	if t.source == nil {
		t.current, t.have = r.AuthToken, true
	}
	return t, checkToken(t.current)
}

func checkToken(token string) error {
	if strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("the auth token holds characters that no HTTP header can carry")
	}
	return nil
}

// get gives the current token.
func (t *authTokens) get(ctx context.Context) (string, error) {
	return t.other(ctx, func(string) bool { return false })
}

// renew gives another token than one that the server refused, or the same one
// when there is no other.
func (t *authTokens) renew(ctx context.Context, refused string) (string, error) {
	return t.other(ctx, func(current string) bool { return t.source != nil && current == refused })
}

func (t *authTokens) other(ctx context.Context, outdated func(current string) bool) (string, error) {
	select {
	case t.lock <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-t.lock }()
	if t.have && !outdated(t.current) {
		return t.current, nil
	}
	token, err := t.source(ctx)
	if err == nil {
		err = checkToken(token)
	}
	if err != nil {
		return "", fmt.Errorf("get an auth token: %w", err)
	}
	t.current, t.have = token, true
	return token, nil
}
