package authtoken

import (
	"log/slog"
	"net"
	"net/url"
	"strings"
)

// PlainMessage is the warning of WarnIfPlain.
const PlainMessage = "the auth token is sent without encryption, and can be read on its way; https:// or wss:// keeps it secret"

// WarnIfPlain warns when what is sent to u, a token with it, leaves the machine without encryption. A nil log is none.
func WarnIfPlain(log *slog.Logger, u *url.URL, hasToken bool) {
	if log == nil || !hasToken || u.Scheme == "https" || u.Scheme == "wss" || isOwnMachine(u.Hostname()) {
		return
	}
	log.Warn(PlainMessage, "host", u.Host)
}

// isOwnMachine tells the names that never leave a machine. See https://www.rfc-editor.org/rfc/rfc6761#section-6.3.
func isOwnMachine(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
