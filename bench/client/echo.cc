// An echo by gRPC's own C++ library: what a server could do that is not Python. It answers each request with its bytes.
// Prints its port. Ends with its parent's input.

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/support/byte_buffer.h>
#include <unistd.h>

#include <iostream>
#include <memory>

namespace {

class Echo : public grpc::Service {
 public:
  Echo() {
    using Handler = grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>;
    AddMethod(new grpc::internal::RpcServiceMethod("/slotlease.bench.Echo/Echo", grpc::internal::RpcMethod::NORMAL_RPC,
                                                   nullptr));
    MarkMethodRawCallback(0, new Handler([](grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* answer) {
                            grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
                            *answer = *request;
                            reactor->Finish(grpc::Status::OK);
                            return reactor;
                          }));
  }
};

}  // namespace

int main() {
  Echo echo;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&echo);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "echo: no port can be had; end another program\n";
    return 2;
  }
  std::cout << "127.0.0.1:" << port << std::endl;
  for (char byte; read(STDIN_FILENO, &byte, 1) > 0;) {
  }
  server->Shutdown();
  return 0;
}
