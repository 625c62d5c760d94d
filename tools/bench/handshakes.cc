#include "tools/bench/handshakes.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace signet::tools::bench {

namespace {

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Die("no free port");
  }
  close(fd);
  return ntohs(address.sin_port);
}

// False when nobody answers, or with something else.
bool Handshake(SSL_CTX* context, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  bool done = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  if (done) {
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    done = SSL_connect(ssl) == 1;
    SSL_free(ssl);
  }
  close(fd);
  return done;
}

// User and system time, in seconds (proc(5), stat fields 14 and 15).
double ProcessorTime(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

Nginx::Nginx(const std::string& folder, const std::string& certificate, const std::string& key_uri,
             const std::map<std::string, std::string>& environment)
    : port_(FreePort()) {
  std::filesystem::create_directories(folder);
  const std::string config = folder + "/nginx.conf";
  std::ofstream out(config);
  for (const auto& [name, value] : environment) out << "env " << name << ";\n";
  out << "user root;\ndaemon off;\nworker_processes 1;\nssl_engine pkcs11;\npid " << folder
      << "/pid;\nerror_log " << folder << "/error.log;\nevents {}\nhttp {\naccess_log off;\n"
      << "client_body_temp_path " << folder << "/b;\nproxy_temp_path " << folder
      << "/p;\nfastcgi_temp_path " << folder << "/f;\nuwsgi_temp_path " << folder
      << "/u;\nscgi_temp_path " << folder << "/s;\nserver {\nlisten 127.0.0.1:" << port_
      << " ssl;\nssl_protocols TLSv1.3;\nssl_session_tickets off;\nssl_session_cache off;\n"
      << "ssl_certificate " << certificate << ";\nssl_certificate_key \"engine:pkcs11:" << key_uri
      << "\";\nreturn 204;\n}\n}\n";
  out.close();
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  program_ = std::make_unique<Program>(
      std::vector<std::string>{"nginx", "-p", folder, "-c", config}, folder + "/log");
  for (const auto& [name, value] : environment) unsetenv(name.c_str());
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  bool up = false;
  for (int i = 0; i < 200 && !up; ++i) {
    up = Handshake(context, port_);
    if (!up) std::this_thread::sleep_for(Seconds(0.05));
  }
  SSL_CTX_free(context);
  if (!up) Die("nginx does not serve: see " + folder + "/error.log");
}

std::vector<pid_t> Nginx::processes() const {
  std::vector<pid_t> all = {program_->pid()};
  const std::string master = std::to_string(program_->pid());
  std::ifstream children("/proc/" + master + "/task/" + master + "/children");
  for (pid_t child = 0; children >> child;) all.push_back(child);
  return all;
}

HandshakeCost MeasureCost(const Nginx& nginx, pid_t helper, double seconds) {
  std::vector<pid_t> processes = nginx.processes();
  if (helper != 0) processes.push_back(helper);
  const auto spent = [&] {
    double sum = 0;
    for (const pid_t pid : processes) sum += ProcessorTime(pid);
    return sum;
  };
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  const double before = spent();
  std::size_t count = 0;
  const double took = SecondsOf([&] {
    const auto until = std::chrono::steady_clock::now() + Seconds(seconds);
    for (; std::chrono::steady_clock::now() < until; ++count) {
      if (!Handshake(context, nginx.port())) Die("a handshake failed");
    }
  });
  SSL_CTX_free(context);
  return {(spent() - before) / static_cast<double>(count) * 1e6, static_cast<double>(count) / took};
}

}  // namespace signet::tools::bench
