"""What a conductor does otherwise in a pod: its steps are in other containers, behind gates; its agent comes by TLS.

| module | meaning |
|---|---|
| terms | what a conductor is told when its pod is made |
| script | the few lines of busybox sh that stand in each step container, and what they are asked and answer |
| job | one process as a script: environment, directory, command |
| gate | the conductor's end of one container's pipes |
| place | the place of the steps: which container a step runs in |
| values | Secrets, ConfigMaps and fields that the kubelet laid down |
| echo | the steps' output once more, for ``kubectl logs`` |
| prepared | methods of value classes, compiled when the image was made |
| early | what others wait for, before the program is loaded |
| main | the program |
"""
