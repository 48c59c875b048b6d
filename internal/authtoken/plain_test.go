package authtoken

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"
)

func TestATokenInTheClearIsWarnedOf(t *testing.T) {
	for base, want := range map[string]bool{
		"http://db.example.com": true, "ws://db.example.com:8080": true, "http://192.0.2.1": true, "http://[2001:db8::1]:80": true,
		"http://localhost.example.com": true, "http://0.0.0.0": true,
		"https://db.example.com": false, "wss://db.example.com": false, "http://127.0.0.1:8080": false, "http://[::1]": false,
		"http://localhost": false, "ws://ns.LOCALHOST.:1": false, "http://127.1.2.3": false,
	} {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		for _, hasToken := range []bool{true, false} {
			var b strings.Builder
			WarnIfPlain(slog.New(slog.NewTextHandler(&b, nil)), u, hasToken)
			if got := strings.Contains(b.String(), "level=WARN"); got != (want && hasToken) {
				t.Errorf("%s, token %v: warned is %v, want %v", base, hasToken, got, want && hasToken)
			}
		}
		WarnIfPlain(nil, u, true)
	}
}
