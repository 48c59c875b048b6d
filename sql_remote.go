package floe

import "errors"

func newRemoteConnector(t dsnTarget, cfg config) (*Connector, error) {
	return nil, errors.ErrUnsupported
}
