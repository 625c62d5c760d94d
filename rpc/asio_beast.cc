// The compiled parts of Beast and of Asio's TLS, once in the tree.
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
