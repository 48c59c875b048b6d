// Package stats adds aggregate functions of statistics to SQL. All of them are window functions too, with any frame.
//
//	var_samp(X), var_pop(X), stddev_samp(X), stddev_pop(X)      variance and standard deviation
//	variance(X), stddev(X)                                      the same as var_samp and stddev_samp
//	median(X), percentile_25(X), _75, _90, _95, _99
//	percentile(X, P)                                            P from 0 to 100, values in between interpolated
//	percentile_cont(X, P)                                       the same with P from 0 to 1
//	percentile_disc(X, P)                                       the first value that is not below P, from 0 to 1
//	mode(X)                                                     the most frequent value, of those the smallest
//	covar_samp(Y, X), covar_pop(Y, X), corr(Y, X)               covariance and correlation
//	regr_slope(Y, X), regr_intercept(Y, X), regr_r2(Y, X)       the line through the points, and how well it fits
//	regr_count(Y, X), regr_avgx(Y, X), regr_avgy(Y, X), regr_sxx(Y, X), regr_syy(Y, X), regr_sxy(Y, X)
//
// Rows where an argument is NULL do not count; mode takes values of every type, and with the others a text or a blob
// that is no number is an error. P has to be the same in all rows. A result that is not defined is NULL: the median of
// no rows, the sample variance of one, the slope of a vertical line, and whatever has an infinite value in it, but for
// percentiles. So are results of values above 1e150, whose squares are infinite.
//
// Sums are kept with twice the digits of a floating point number, so that a small variance of large values, and what
// comes and goes in a frame, lose nothing.
//
// Importing the package registers the extension "stats".
//
// https://sqlite.org/percentile.html
package stats

import (
	"fmt"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/sqlfunc"
)

func init() { sqlfunc.MustRegisterExtension("stats", Register) }

// function is one function to register.
type function struct {
	name string
	nArg int
	new  func() engine.Window
}

// Register adds the functions to a connection.
func Register(c *engine.Conn) error {
	for _, list := range [][]function{momentFunctions(), percentileFunctions(), pairFunctions()} {
		for _, f := range list {
			if err := c.CreateWindow(f.name, f.nArg, sqlfunc.Pure, f.new); err != nil {
				return err
			}
		}
	}
	return c.CreateWindow("mode", 1, sqlfunc.Pure, func() engine.Window { return &mode{} })
}

// number returns an argument as a number, and false for NULL.
func number(v engine.Value) (float64, bool, error) {
	switch v.NumericType() {
	case engine.Null:
		return 0, false, nil
	case engine.Integer, engine.Float:
		return v.Float(), true, nil
	}
	return 0, false, fmt.Errorf("not a number: %.40q", v.Text())
}
