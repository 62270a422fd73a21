-- wrk over prepared bodies, one a line in the file that BODIES names.
local bodies, n = {}, 0
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer sk_test_benchmark" }
local requests = {}

function init()
  for i, body in ipairs(bodies) do
    requests[i] = wrk.format("POST", "/api/v1/attributes/values/batch", headers, body)
  end
end

function request()
  n = n % #requests + 1
  return requests[n]
end
