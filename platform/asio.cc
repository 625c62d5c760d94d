// The one translation unit with the bodies of Asio (BOOST_ASIO_SEPARATE_COMPILATION); those of
// Asio's TLS and of Beast are in rpc, the only folder that uses them.
#include <boost/asio/impl/src.hpp>
