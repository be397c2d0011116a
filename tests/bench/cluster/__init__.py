"""What pods cost: measured on the real cluster of ``KUBECONFIG``, beside bare pods of the same run.

| module | meaning |
|---|---|
| place | a control plane, an agent and a namespace for the time of a measurement |
| bare | pods as anybody would create and watch them |
| start | a submission until its first step's output, beside an equal bare pod |
| between | twenty steps in one pod, beside the same as init containers |
| requests | what is asked of the API server for one execution |
| memory | of the agent, idle and with fifty pods, beside a program that only loads the same libraries |
"""
