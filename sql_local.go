package floe

import "errors"

func newLocalConnector(t dsnTarget, cfg config) (*Connector, error) {
	return nil, errors.ErrUnsupported
}
