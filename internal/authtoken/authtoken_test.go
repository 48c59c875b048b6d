package authtoken

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestATokenThatStaysIsGivenAgain(t *testing.T) {
	for _, token := range []string{"", "fixed"} {
		tokens := New(token, nil)
		got, err := tokens.Get(t.Context())
		again, renewErr := tokens.Renew(t.Context(), got)
		if got != token || again != token || err != nil || renewErr != nil {
			t.Errorf("got %q, then %q, %v, %v, want %q twice", got, again, err, renewErr, token)
		}
	}
}

func TestASourceIsAskedOncePerRefusal(t *testing.T) {
	calls := 0
	tokens := New("", func(context.Context) (string, error) {
		calls++
		return fmt.Sprint("token ", calls), nil
	})
	renewAll := func(refused, want string) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if got, err := tokens.Renew(t.Context(), refused); got != want || err != nil {
					t.Errorf("in place of %q: %q, %v, want %q", refused, got, err, want)
				}
			})
		}
		wg.Wait()
	}
	if got, err := tokens.Get(t.Context()); got != "token 1" || err != nil {
		t.Fatal(got, err)
	}
	renewAll("token 1", "token 2")
	renewAll("token 2", "token 3")
	renewAll("token 1", "token 3")
	if got, _ := tokens.Get(t.Context()); got != "token 3" || calls != 3 {
		t.Errorf("token %q after %d calls, want %q after 3", got, calls, "token 3")
	}
}

func TestASourceThatFailsIsAskedAgain(t *testing.T) {
	broken := errors.New("vault is sealed")
	answers := []error{broken, nil}
	tokens := New("", func(context.Context) (string, error) {
		err := answers[0]
		answers = answers[1:]
		return "t", err
	})
	if _, err := tokens.Get(t.Context()); !errors.Is(err, broken) {
		t.Errorf("error %v, want the source's", err)
	}
	if got, err := tokens.Get(t.Context()); got != "t" || err != nil {
		t.Errorf("then %q, %v, want the token", got, err)
	}
}

func TestTokensThatNoHeaderCarriesAreRefusedUnquoted(t *testing.T) {
	for _, token := range []string{"secret\n", "secret\x00", "secret\u00e4", "secret\x7f", "\r\nsecret: 1"} {
		for _, tokens := range []*Tokens{
			New(token, nil), New("", func(context.Context) (string, error) { return token, nil }),
		} {
			if got, err := tokens.Get(t.Context()); err == nil || strings.Contains(err.Error(), "secret") || got != "" {
				t.Errorf("%q: %q, %v, want an error that does not quote it", token, got, err)
			}
		}
	}
}

func TestWaitingForASourceEndsWithTheContext(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	tokens := New("", func(context.Context) (string, error) {
		close(inside)
		<-leave
		return "t", nil
	})
	first := make(chan error, 1)
	go func() {
		_, err := tokens.Get(context.Background())
		first <- err
	}()
	<-inside
	cause := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := tokens.Get(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
		t.Errorf("error %v, want that of the context and its cause", err)
	}
	close(leave)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestRedact(t *testing.T) {
	if got, want := Redact("Bearer s3, s3", "s3"), "Bearer [auth token], [auth token]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Redact("as it was", ""); got != "as it was" {
		t.Errorf("%q without a token", got)
	}
}
